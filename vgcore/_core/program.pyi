from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vgcore._core.op import Operation

Array = NDArray[Any]
StateArrays = tuple[Array | None, Array | None, Array | None, bool]

class LossFunction(Protocol):
    outputs: Array
    gradients: Array
    losses: Array
    error: BaseException | None
    def __call__(self, first: int, rows: int, begin: int, end: int, scale: float) -> None: ...

class Program:
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def tell_bins(self, weights: frozenset[int]) -> int: ...
    def tell_units(self, weights: frozenset[int]) -> list[int]: ...
    time: int
    rate: float
    notices: bool
    def __init__(
        self,
        operations: list[Operation],
        offsets: list[list[int]],
        values: Array,
        gradients: Array,
        states: list[Array],
        *,
        batch: int,
        times: int,
        windows: int,
        truncated: bool,
        input_gradient: bool,
        image_input: bool,
        image_output: bool,
        open_inside: bool,
        refuses: bool,
        loss: dict[str, Any],
        custom: bool,
        sparse: bool,
        ignoring: bool,
        fused: bool,
        apply_activation: bool,
        mean_over_outputs: bool,
        mean_over_places: bool,
        rule: int,
        update: dict[str, float],
        treatment: dict[str, float],
        rates: list[float],
        undecayed: frozenset[int],
        threads: int,
        seed: int,
    ) -> None: ...
    @property
    def arena_bytes(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def walks(self) -> list[int]: ...
    @property
    def times(self) -> int: ...
    @property
    def longest(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def broken(self) -> bool: ...
    def sights(self, index: int) -> dict[str, tuple[int, int]]: ...
    def outputs(self, index: int, rows: int, times: int) -> Array: ...
    def totals(self, index: int, rows: int, times: int) -> Array | None: ...
    def amplify(self, factors: list[float]) -> None: ...
    def train(
        self,
        x: Array,
        y: Array,
        order: Array | None,
        losses: Array,
        *,
        batch: int,
        places: Array | None = None,
        updating: bool = True,
        predicting: bool = False,
        seconds: float = ...,
        rates: Array | None = None,
        done: Array | None = None,
        right: Array | None = None,
        outputs: Array | None = None,
        record: Array | None = None,
        op_record: Array | None = None,
        parameter_record: Array | None = None,
        time_record: Array | None = None,
        told: dict[str, tuple[Array, ...]] | None = None,
        lengths: Array | None = None,
        weights: Array | None = None,
        states: Sequence[StateArrays] = (),
        input_gradient: Array | None = None,
        sights: Sequence[tuple[int, str, Array]] = (),
        function: LossFunction | None = None,
    ) -> int: ...
    def train_batch(self, x: Array, y: Array, record: dict[str, Any] | None = None) -> float: ...
    def forward(
        self,
        x: Array,
        outputs: Array,
        y: Array | None = None,
        losses: Array | None = None,
        *,
        order: Array | None = None,
        batch: int | None = None,
        lengths: Array | None = None,
        weights: Array | None = None,
        states: Sequence[StateArrays] = (),
        sights: Sequence[tuple[int, str, Array]] = (),
        function: LossFunction | None = None,
    ) -> None: ...
