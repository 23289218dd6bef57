from typing import Any

from vgcore._core.op import Operation

def operation(
    window: dict[str, Any],
    channels: int,
    *,
    outputs: int,
    largest: bool,
    counts_padding: bool,
    real_bytes: int,
) -> Operation: ...
def of_all(channels: int, *, largest: bool, real_bytes: int) -> Operation: ...
