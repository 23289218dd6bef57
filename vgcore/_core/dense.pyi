from vgcore._core.op import Operation

def operation(
    inputs: int,
    outputs: int,
    *,
    activation: int,
    alpha: float,
    keeps_z: bool,
    bias: bool,
    real_bytes: int,
) -> Operation: ...
