from vgcore._core.function import ActivationFunction
from vgcore._core.op import Operation

def operation(
    units: int, *, formula: ActivationFunction, shared: bool, real_bytes: int
) -> Operation: ...
