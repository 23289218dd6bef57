"""Who a layer belongs to: a model, or a block of layers; and how what may change of it reaches the model."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from vgcore._settings import Sealed

if TYPE_CHECKING:
    from typing_extensions import Self


class Owner:
    """A model, or a block of layers."""

    def members(self) -> Sequence[Member]:
        """Its layers."""
        return ()

    def change(self, member: Member, name: str, value: Any) -> None:
        """Assign an attribute of a member."""
        if name == "name":
            check_name(member, value, self.members())
        with self.changing(name):
            member.keep(name, value)

    def changing(self, attribute: str) -> AbstractContextManager[None]:
        """Around a change of a member's attribute; when it is done, what was planned is planned anew."""
        raise NotImplementedError


def _nobody() -> Owner | None:
    return None


class Member(Owner, Sealed):
    """What belongs to one owner at most, which is told of what changes.

    Copies, and what is unpickled, belong to nobody; what they are made of is copied with them.
    """

    name: str | None
    _owner: Callable[[], Owner | None] = staticmethod(_nobody)

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; where it is one that may change, through the owner."""
        owner = self._owner() if name in self.free else None
        if owner is None:
            super().__setattr__(name, value)
        else:
            owner.change(self, name, self.checks[name](name, value))

    def keep(self, name: str, value: Any) -> None:
        """Assign an attribute, and tell nobody."""
        super().__setattr__(name, value)

    @property
    def owned(self) -> str | None:
        """What it belongs to, in a word; None if it is free."""
        owner = self._owner()
        if owner is None:
            return None
        return "a block" if isinstance(owner, Member) else "a model"

    def changing(self, attribute: str) -> AbstractContextManager[None]:
        """Around a change of a member's attribute: what the owner does."""
        owner = self._owner()
        return nullcontext() if owner is None else owner.changing(attribute)

    def altered(self, **attributes: Any) -> Self:
        """A twin that belongs to nobody and differs in ``attributes``; all else it shares."""
        twin = object.__new__(type(self))
        twin.__dict__.update({**self.__dict__, **attributes, "_owner": _nobody})
        return twin

    def __copy__(self) -> Self:
        """Copy it whole: a member belongs to one owner."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """All but whose it is."""
        return {name: v for name, v in self.__dict__.items() if name not in ("_owner", "_views")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Own what it is made of."""
        self.__dict__.update(state)
        claim(self, self.members())


def claim(owner: Owner, members: Iterable[Member]) -> None:
    """Make members those of an owner."""
    for member in members:
        member.__dict__["_owner"] = weakref.ref(owner)


def check_name(member: Member, name: str | None, members: Iterable[Member]) -> None:
    """Raise if another of the members has the name, or there is none."""
    if name is None:
        raise TypeError("name: expected a str, got None")
    if any(each is not member and each.name == name for each in members):
        raise ValueError(f"name: expected one that no other layer beside it has, got {name!r}")
