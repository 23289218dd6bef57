from typing import Any

from vgcore._core.op import Operation

def operation(
    inputs: int, units: int, *, learned: bool, omega: float, real_bytes: int, **options: Any
) -> Operation: ...
