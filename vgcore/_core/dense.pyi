from vgcore._core.function import ActivationFunction
from vgcore._core.op import Operation

def operation(
    inputs: int,
    outputs: int,
    *,
    activation: ActivationFunction,
    bias: bool,
    real_bytes: int,
) -> Operation: ...
