"""With what people already have: each room knows one other library, and imports it when it is used."""

from typing import TYPE_CHECKING

from vgcore import _answers
from vgcore.exchange.keras.from_keras import from_keras
from vgcore.exchange.keras.to_keras import to_keras
from vgcore.exchange.onnx.from_onnx import from_onnx
from vgcore.exchange.onnx.to_onnx import to_onnx
from vgcore.exchange.pytorch.from_torch import from_torch
from vgcore.exchange.pytorch.to_torch import to_torch
from vgcore.exchange.watching.watch import Watching, watch

if TYPE_CHECKING:
    from vgcore.exchange.watching.lightning import LightningWatch as LightningWatch

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


_LATER = {
    "LightningWatch": "vgcore.exchange.watching.lightning:LightningWatch"
}  # imported when asked for


def __dir__() -> list[str]:
    """What users look for."""
    return [*__all__, *_LATER]


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__, _LATER)
