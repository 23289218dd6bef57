from collections.abc import Iterable
from typing import Any

from numpy.typing import DTypeLike, NDArray

from vgcore._core.neighbours import Table

Array = NDArray[Any]
Part = tuple[int, int] | None

def matrix(rows: int, cols: int, dtype: DTypeLike) -> Array: ...
def vector(n: int, dtype: DTypeLike) -> Array: ...
def affine(y: Array, x: Array, w: Array, b: Array | None = None, *, add: bool = False) -> None: ...
def affine_packed(
    y: Array, x: Array, w: Array, *, transposed: bool = False, add: bool = False
) -> None: ...
def affine_input(dx: Array, dy: Array, w: Array, *, add: bool = False) -> None: ...
def affine_weight(dw: Array, x: Array, dy: Array, *, add: bool = False) -> None: ...
def column_sums(db: Array, dy: Array, *, add: bool = False) -> None: ...
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
def activation(h: Array, z: Array, f: int, alpha: float = 0) -> None: ...
def activation_backward(delta: Array, h: Array, z: Array, f: int, alpha: float = 0) -> None: ...
def update(
    w: Array,
    states: list[Array],
    g: Array,
    rule: int,
    numbers: dict[str, Any],
    *,
    time: int = 1,
    chunk: int = 1024,
    norms: Array | None = None,
) -> None: ...
def stream(w: Array, states: list[Array], g: Array) -> None: ...
def chunk_sums(rows: int, vectors: int, cols: int) -> Array: ...
def column_moments(
    x: Array,
    *,
    places: int = 1,
    parts: Iterable[tuple[int, int] | None] = ...,
    ends: Array | None = None,
) -> tuple[float, Array, Array]: ...
def normaliser(mean: Array, variance: Array, epsilon: float, dtype: DTypeLike) -> Array: ...
def normalise(
    h: Array,
    z: Array,
    x: Array,
    normaliser: Array,
    weight: Array | None,
    bias: Array | None,
    f: int,
    alpha: float = 0,
    *,
    places: int = 1,
    part: tuple[int, int] | None = None,
    ends: Array | None = None,
) -> None: ...
def normalise_backward(
    sums: Array,
    delta: Array,
    h: Array,
    z: Array,
    x: Array,
    normaliser: Array,
    weight: Array | None,
    bias: Array | None,
    f: int,
    alpha: float = 0,
    *,
    places: int = 1,
    part: tuple[int, int] | None = None,
    ends: Array | None = None,
) -> None: ...
def normalise_input(
    dx: Array,
    delta: Array,
    x: Array,
    normaliser: Array,
    weight: Array | None,
    means: Array,
    *,
    add: bool = False,
    places: int = 1,
    part: tuple[int, int] | None = None,
    ends: Array | None = None,
) -> None: ...
def join_chunks(sums: Array, dtype: DTypeLike, scale: float = 1) -> Array: ...
def row_normalise(
    h: Array,
    z: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    epsilon: float,
    centred: bool,
    f: int,
    alpha: float = 0,
    *,
    places: int = 1,
    part: tuple[int, int] | None = None,
    ends: Array | None = None,
) -> None: ...
def row_normalise_backward(
    sums: Array,
    dx: Array,
    delta: Array,
    h: Array,
    z: Array,
    x: Array,
    weight: Array | None,
    epsilon: float,
    centred: bool,
    f: int,
    alpha: float = 0,
    *,
    add: bool = False,
    accumulating: bool = False,
    places: int = 1,
    part: tuple[int, int] | None = None,
    ends: Array | None = None,
) -> None: ...
def prelu(h: Array, x: Array, a: Array) -> None: ...
def prelu_backward(
    sums: Array,
    delta: Array,
    x: Array,
    a: Array,
    *,
    accumulating: bool = False,
    places: int = 1,
    part: tuple[int, int] | None = None,
    ends: Array | None = None,
) -> None: ...
def dropout(
    y: Array,
    x: Array,
    rate: float,
    key: int,
    stream: int = 0,
    *,
    first_place: int = 0,
    shared: bool = False,
    places: int = 1,
    part: tuple[int, int] | None = None,
    ends: Array | None = None,
) -> None: ...
def add_noise(g: Array, sigma: float, key: int, first_element: int = 0) -> None: ...
def norm(x: Array) -> float: ...
def exp(x: Array) -> Array: ...
def tanh(x: Array) -> Array: ...
