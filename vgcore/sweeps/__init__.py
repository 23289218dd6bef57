"""Many trainings."""

from vgcore.sweeps.many import fit_many

__all__ = ["fit_many"]
