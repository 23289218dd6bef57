"""Many trainings: side by side in one call, and sweeps over a grid that are kept as they go."""

from vgcore.sweeps.grid import loguniform, uniform, when
from vgcore.sweeps.many import fit_many
from vgcore.sweeps.sweep import load, sweep
from vgcore.sweeps.table import Row, Table

__all__ = ["Row", "Table", "fit_many", "load", "loguniform", "sweep", "uniform", "when"]
