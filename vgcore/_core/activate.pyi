from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    activation: int,
    alpha: float,
    real_bytes: int,
) -> Operation: ...
