from collections.abc import Iterable
from typing import Any

from numpy.typing import DTypeLike, NDArray

from vgcore._core.function import ActivationFunction

Array = NDArray[Any]

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
    f: ActivationFunction,
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
    f: ActivationFunction,
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
    f: ActivationFunction,
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
    f: ActivationFunction,
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
