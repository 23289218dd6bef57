"""Objects whose attributes are checked as they are assigned, and read-only from then on but for some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from vgcore import _answers

Checks = dict[str, Callable[[str, Any], Any]]


class Sealing(_answers.Answering):
    """Seals what its classes make, at the end of the constructor."""

    if not TYPE_CHECKING:  # for whom a class is called as its constructor is

        def __call__(cls, *args, **kwargs):  # noqa: N805, which does not see that it is a metaclass
            """Make an object and seal it."""
            made = super().__call__(*args, **kwargs)
            made._sealed = True
            return made


class Sealed(metaclass=Sealing):
    """What is read-only from the end of its constructor on: a plan was, or will be, made of it.

    Attributes
    ----------
    checks : dict of str to callable
        Of each attribute that has one: takes its name and a value, returns the value to keep or raises.
    free : tuple of str
        Attributes that may be assigned again. Data descriptors, such as parameters, may too, if they can.
    """

    checks: ClassVar[Checks] = {}
    free: ClassVar[tuple[str, ...]] = ()
    _sealed = False

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign what the attribute's check makes of ``value``."""
        if self._sealed and name not in self._assignable():
            self._refuse(name, "assigned")
        if name in self.checks:
            value = self.checks[name](name, value)
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # for whom there is nothing but what is declared
        __getattr__ = _answers.refuse_member

    def __delattr__(self, name: str) -> None:
        """Delete nothing."""
        self._refuse(name, "deleted")

    @classmethod
    @cache
    def _assignable(cls) -> tuple[str, ...]:
        """What may be assigned: once for each class, for models name many layers."""
        found = {
            name: attribute
            for kind in reversed(cls.__mro__)
            for name, attribute in vars(kind).items()
        }
        settable = (
            name
            for name, attribute in found.items()
            if hasattr(type(attribute), "__set__")
            and getattr(attribute, "fset", attribute) is not None
            and not name.startswith("_")
        )
        return (*cls.free, *settable)

    def _refuse(self, name: str, verb: str) -> None:
        allowed = self._assignable() if verb == "assigned" else ()
        only = f"only {', '.join(allowed)}" if allowed else "nothing"
        raise AttributeError(
            f"{self._label()}{name}: {only} may be {verb}"
            + (_answers.member(self, name) or f"; make a new {type(self).__name__}")
        )

    def _label(self) -> str:
        """What stands before an attribute's name in messages."""
        return ""


@dataclass
class Settings(Sealed):
    """A dataclass whose fields are checked, and read-only but for those that are free."""

    def config(self) -> dict[str, Any]:
        """Class and arguments, as JSON can hold them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        nested = {k: v.config() if isinstance(v, Settings) else v for k, v in values.items()}
        return {"class": type(self).__name__, **nested}
