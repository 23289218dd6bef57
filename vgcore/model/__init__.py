"""A network that runs: `Sequential`, and what each of its verbs does, a file each."""

from vgcore.model.sequential import Sequential

__all__ = ["Sequential"]
