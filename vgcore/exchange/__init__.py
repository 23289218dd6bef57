"""With what people already have: each file knows one other library, and imports it when it is used."""

from typing import TYPE_CHECKING, Any

from vgcore.exchange.from_keras import from_keras
from vgcore.exchange.from_onnx import from_onnx
from vgcore.exchange.from_torch import from_torch
from vgcore.exchange.to_keras import to_keras
from vgcore.exchange.to_onnx import to_onnx
from vgcore.exchange.to_torch import to_torch
from vgcore.exchange.watching import Watching, watch

if TYPE_CHECKING:
    LightningWatch: Any

__all__ = [
    "Watching",
    "from_keras",
    "from_onnx",
    "from_torch",
    "to_keras",
    "to_onnx",
    "to_torch",
    "watch",
]


def __dir__() -> list[str]:
    """What users look for."""
    return [*__all__, "LightningWatch"]


def __getattr__(name: str) -> Any:
    """Import Lightning when its callback is asked for."""
    if name == "LightningWatch":
        from vgcore.exchange import watch_lightning

        return watch_lightning.callback()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
