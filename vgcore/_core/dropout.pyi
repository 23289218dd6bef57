from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    rate: float,
    across: bool,
    alpha: bool,
    real_bytes: int,
) -> Operation: ...
