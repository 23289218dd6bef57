"""Models and records from other tools and for them."""

from vgcore.exchange.from_keras import from_keras
from vgcore.exchange.to_keras import to_keras
from vgcore.exchange.to_onnx import to_onnx

__all__ = ["from_keras", "to_keras", "to_onnx"]
