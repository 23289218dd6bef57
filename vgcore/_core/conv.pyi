from typing import Any

from vgcore._core.function import ActivationFunction
from vgcore._core.op import Operation

def operation(
    window: dict[str, Any],
    channels: int,
    filters: int,
    *,
    groups: int,
    activation: ActivationFunction,
    bias: bool,
    real_bytes: int,
) -> Operation: ...
