from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    rate: float,
    across: bool,
    real_bytes: int,
) -> Operation: ...
