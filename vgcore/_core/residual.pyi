from vgcore._core.function import ActivationFunction
from vgcore._core.op import Operation

def fork(units: int, *, tells: bool, real_bytes: int) -> Operation: ...
def join(
    units: int, *, gated: bool, activation: ActivationFunction, real_bytes: int
) -> Operation: ...
