"""Reports: a run as one page that needs nothing else."""

from vgcore.reporting.report import report

__all__ = ["report"]
