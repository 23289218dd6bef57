from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    momentum: float,
    epsilon: float,
    scale: bool,
    shift: bool,
    activation: int,
    alpha: float,
    keeps_z: bool,
    real_bytes: int,
) -> Operation: ...
