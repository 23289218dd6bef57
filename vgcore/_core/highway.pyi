from vgcore._core.function import ActivationFunction
from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    activation: ActivationFunction,
    gate_activation: ActivationFunction,
    real_bytes: int,
) -> Operation: ...
