from vgcore._core.function import ActivationFunction
from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    momentum: float,
    epsilon: float,
    scale: bool,
    shift: bool,
    activation: ActivationFunction,
    real_bytes: int,
) -> Operation: ...
