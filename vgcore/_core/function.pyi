from collections.abc import Sequence

LIMITS: dict[str, int]

class ActivationFunction:
    keeps_z: bool
    def __init__(self, kind: int, alpha: float = 0, *, keeps_z: bool = True) -> None: ...

_Slot = tuple[str, int]

def formula_function(
    instructions: Sequence[tuple[str | int | _Slot, ...]],
    constants: Sequence[float],
    learned: int,
    result: _Slot,
    steepest: float,
) -> ActivationFunction: ...
