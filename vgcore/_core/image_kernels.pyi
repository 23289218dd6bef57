from typing import Any

from numpy.typing import NDArray

from vgcore._core.neighbours import Table

Array = NDArray[Any]
Part = tuple[int, int] | None

def convolve(
    y: Array,
    x: Array,
    w: Array,
    pairs: Table,
    *,
    rows: int,
    b: Array | None = None,
    groups: int = 1,
    transposed: bool = False,
    add: bool = False,
    part: Part = None,
) -> None: ...
def convolve_weight(
    dw: Array, x: Array, dy: Array, pairs: Table, *, rows: int, groups: int = 1, part: Part = None
) -> None: ...
def max_pool(y: Array, x: Array, pairs: Table, *, rows: int, part: Part = None) -> None: ...
def max_pool_backward(
    dx: Array,
    dy: Array,
    y: Array,
    x: Array,
    pairs: Table,
    *,
    rows: int,
    add: bool = False,
    part: Part = None,
) -> None: ...
def average_pool(
    y: Array,
    x: Array,
    pairs: Table,
    factor: Array,
    *,
    rows: int,
    add: bool = False,
    part: Part = None,
) -> None: ...
def relayout(
    y: Array,
    x: Array,
    *,
    rows: int,
    y_places: int = 1,
    x_places: int = 1,
    y_order: Array | None = None,
    x_order: Array | None = None,
    add: bool = False,
    part: Part = None,
) -> None: ...
