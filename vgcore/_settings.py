"""Settings that are checked as they are assigned: what optimizers and schedules are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

Checks = dict[str, Callable[[str, Any], Any]]


@dataclass
class Settings:
    """A dataclass whose fields are checked, and assigned once but for those that are free.

    Attributes
    ----------
    checks : dict of str to callable
        Of each field: takes its name and a value, returns the value to keep or raises.
    free : frozenset of str
        Fields that may be assigned again.
    """

    checks: ClassVar[Checks]
    free: ClassVar[frozenset[str]] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign what the field's check makes of ``value``."""
        if name in self.__dict__ and name not in self.free:
            allowed = f"only {', '.join(self.free)}" if self.free else "nothing"
            raise AttributeError(
                f"{name}: {allowed} may be assigned; make a new {type(self).__name__}"
            )
        if name in self.checks:
            value = self.checks[name](name, value)
        super().__setattr__(name, value)

    def config(self) -> dict[str, Any]:
        """Class and arguments, as JSON can hold them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        nested = {k: v.config() if isinstance(v, Settings) else v for k, v in values.items()}
        return {"class": type(self).__name__, **nested}
