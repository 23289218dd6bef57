"""Published experiments, one file each: what was found, what is measured here, and whether it agrees.

``vgcore list`` and ``vgcore run NAME`` on the command line. `vgcore.experiments.base` is their contract.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vgcore import _validate
from vgcore.experiments.base import About, Claim, Result, Table

__all__ = ["NAMES", "About", "Claim", "Result", "Table", "about", "run"]

NAMES = (
    "demo",
    "nielsen",
    "gaussian_products",
    "relu_variance",
    "glorot",
    "saxe",
    "he",
    "selu",
    "depth_scale",
    "hanin",
    "shattered",
    "ioffe",
    "norm_explosion",
    "resnet",
    "amplification",
    "cures",
    "pascanu",
    "cliff",
    "temporal_order",
    "latching",
    "time",
    "temporal_order_6a",
    "forget_bias",
    "forget_gate",
    "critical_cells",
    "irnn",
    "copy_memory",
    "makemore",
    "text",
    "translation",
)
"""The experiments, in the order in which they are read; each is a module of this name."""


def run(name: str, **options: Any) -> Result:
    """Run an experiment.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    **options
        Those of the experiment's own ``run``: ``seed``, ``full``, ``keep``, and what
        ``help(vgcore.experiments.NAME.run)`` lists.

    Returns
    -------
    Result
        What was measured, as attributes; ``.claims()``, ``.verdict``, ``.tables()``, ``.notes()``,
        ``.picture()``.

    Raises
    ------
    TypeError, ValueError, OSError, ImportError
        As `vgcore.experiments.base` says.
    """
    result: Result = module(name).run(**options)
    return result


def about(name: str) -> About:
    """What an experiment is about."""
    found: About = module(name).ABOUT
    return found


def module(name: str) -> Any:
    """The module of an experiment."""
    return import_module(f"{__name__}.{_validate.one_of('name', name, NAMES)}")
