from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    activation: int,
    alpha: float,
    gate_activation: int,
    gate_alpha: float,
    real_bytes: int,
) -> Operation: ...
