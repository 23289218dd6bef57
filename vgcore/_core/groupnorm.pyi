from vgcore._core.function import ActivationFunction
from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    groups: int,
    epsilon: float,
    scale: bool,
    shift: bool,
    activation: ActivationFunction,
    real_bytes: int,
) -> Operation: ...
