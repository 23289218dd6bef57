"""What a file holds: a model or a record."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from vgcore import _npz, _validate
from vgcore._files import Path
from vgcore.flow import GradientFlow
from vgcore.model import Sequential
from vgcore.model.storage import load


def opened(path: Path) -> Sequential | GradientFlow:
    """The model or the record that was saved to a file; ValueError where it is neither."""
    name = _validate.path("path", path)
    with _npz.refusing(name, "a model or a GradientFlow record"):
        is_model = "description" in _npz.read(name)
    return load(name) if is_model else GradientFlow.load(name)


def arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays x, y and, where there are any, lengths of an ``.npz`` file; ValueError where it has others."""
    name = _validate.path("data", path)
    try:
        found = _npz.read(name)
    except ValueError as error:
        raise ValueError(
            f"data: expected an .npz file with arrays x and y, got {name!r}: {error}"
        ) from error
    if not {"x", "y"} <= found.keys() <= {"x", "y", "lengths"}:
        raise ValueError(
            f"data: expected arrays x, y and, if needed, lengths in {name!r}, got {_npz.some(found)}"
        )
    return found
