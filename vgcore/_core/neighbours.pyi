from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def axis(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int
) -> tuple[int, Array, Array, Array]: ...

class Table:
    def __init__(self, destination: Array, count: int, left: Array, right: Array) -> None: ...

class Window:
    p: Array
    q: Array
    k: Array
    inputs: int
    outputs: int
    taps: int
    def __init__(
        self,
        size: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[tuple[int, int], tuple[int, int]],
        dilation: tuple[int, int],
    ) -> None: ...
    def forward(self) -> Table: ...
    def backward(self) -> Table: ...
    def weight(self) -> Table: ...
