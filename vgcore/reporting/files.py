"""What a file holds: a model or a record."""

from __future__ import annotations

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
