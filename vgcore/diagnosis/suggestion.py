"""A change that may cure a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Suggestion:
    """A change of a network, or of what it is fed with.

    Attributes
    ----------
    name : str
        In a few words.
    """

    name: str

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {"name": self.name}
