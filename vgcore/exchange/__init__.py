"""With what people already have: each file knows one other library, and imports it when it is used."""

from typing import TYPE_CHECKING

from vgcore import _answers
from vgcore.exchange.from_keras import from_keras
from vgcore.exchange.from_torch import from_torch
from vgcore.exchange.to_keras import to_keras
from vgcore.exchange.to_onnx import to_onnx
from vgcore.exchange.to_torch import to_torch
from vgcore.exchange.watching import Watching, watch

if TYPE_CHECKING:
    from vgcore.exchange.watch_lightning import LightningWatch as LightningWatch

__all__ = ["Watching", "from_keras", "from_torch", "to_keras", "to_onnx", "to_torch", "watch"]

_LATER = {"LightningWatch": "vgcore.exchange.watch_lightning:LightningWatch"}


def __dir__() -> list[str]:
    """What users look for."""
    return [*__all__, *_LATER]


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__, _LATER)
