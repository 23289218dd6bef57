from typing import Any

from vgcore._core.op import Operation

def operation(
    window: dict[str, Any],
    channels: int,
    filters: int,
    *,
    groups: int,
    activation: int,
    alpha: float,
    keeps_z: bool,
    bias: bool,
    real_bytes: int,
) -> Operation: ...
