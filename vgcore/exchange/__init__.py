"""With what people already have: each file knows one other library, and imports it when it is used."""

from vgcore.exchange.from_keras import from_keras
from vgcore.exchange.from_torch import from_torch
from vgcore.exchange.to_keras import to_keras
from vgcore.exchange.to_onnx import to_onnx
from vgcore.exchange.to_torch import to_torch

__all__ = ["from_keras", "from_torch", "to_keras", "to_onnx", "to_torch"]
