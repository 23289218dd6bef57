"""What looking costs: vgcore beside what one would write elsewhere to see the same.

python bench/looking.py                 all rows; python bench/looking.py internals-D2: one

Medians of calls that take turns in one process, on one thread; faster: theirs over ours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import vgcore as vg
from peers.pytorch import LOSSES, network
from peers.pytorch_unrolled import CELLS
from timing import no_garbage_collector
from vgcore._core import simd
from workloads import ROWS, DenseWorkload, RecurrentWorkload

ROUNDS = 21
TIMES = 100  # of sequences along which exponents are taken


class Pair(NamedTuple):
    """Two ways to see the same, each a call, and what theirs is."""

    ours: Callable[[], object]
    theirs: Callable[[], object]
    peer: str


def internals_of_dense(name: str) -> Pair:
    """Every z and h of one minibatch, and their gradients: PyTorch's retain them."""
    workload = ROWS[name]
    assert isinstance(workload, DenseWorkload)
    inputs, *hidden, classes = workload.sizes
    x, y = (array[: workload.batch] for array in workload.data())
    layers = [*(vg.Dense(units, workload.activation) for units in hidden)]
    model = vg.Sequential([*layers, vg.Dense(classes, "softmax")], input_shape=inputs, seed=0)
    model.compile(workload.loss)
    modules, loss = list(network(workload)), LOSSES[workload.loss]
    data, labels = torch.from_numpy(x), torch.from_numpy(y)

    def retained() -> list[Tensor]:
        seen, h = [], data
        for module in modules:
            h = module(h)
            h.retain_grad()
            seen.append(h)
        loss(h, labels).backward()
        return seen

    return Pair(lambda: model.internals(x, y), retained, "PyTorch, retain_grad")


def internals_of_recurrent(name: str) -> Pair:
    """Every state of every timestep, and its gradient: PyTorch's cells, called one by one, retain them."""
    workload = ROWS[name]
    assert isinstance(workload, RecurrentWorkload)
    x, y = (array[: workload.batch] for array in workload.data())
    kinds = {"rnn": vg.RNN, "lstm": vg.LSTM, "gru": vg.GRU}
    layers = [kinds[workload.cell](workload.units), vg.Dense(1)]
    model = vg.Sequential(layers, input_shape=(None, workload.inputs), seed=0)
    model.compile(workload.loss)
    cell, dense = (
        CELLS[workload.cell](workload.inputs, workload.units),
        nn.Linear(workload.units, 1),
    )
    data, targets = torch.from_numpy(x), torch.from_numpy(y)

    def retained() -> list[tuple[Tensor, ...]]:
        seen, state = [], None
        for x_t in data.unbind(1):
            state = cell(x_t, state)
            seen.append(state if isinstance(state, tuple) else (state,))
            for tensor in seen[-1]:
                tensor.retain_grad()
        LOSSES[workload.loss](dense(seen[-1][0]), targets).backward()
        return seen

    return Pair(lambda: model.internals(x, y), retained, "PyTorch's cells, retain_grad")


def lyapunov(name: str) -> Pair:
    """All Lyapunov exponents of 128 units, in float64: PyTorch's cell, Jacobian and QR at each timestep."""
    units, inputs = 128, 8
    x = np.random.default_rng(0).normal(size=(1, TIMES, inputs))
    layer = {"rnn": vg.RNN, "gru": vg.GRU, "lstm": vg.LSTM}[name](units)
    model = vg.Sequential([layer], input_shape=(None, inputs), dtype="float64", seed=0)
    cell = CELLS[name](inputs, units).double()
    size = units * len(layer.walks()[0].states)

    def step(state: Tensor, x_t: Tensor) -> Tensor:
        if size == units:
            return cell(x_t, state)
        return torch.cat(cell(x_t, tuple(state.split(units))))

    def by_hand() -> Tensor:
        state, directions = torch.zeros(size).double(), torch.eye(size).double()
        growth = []
        for x_t in torch.from_numpy(x[0]):
            jacobian = torch.func.jacrev(step)(state, x_t)
            directions, triangle = torch.linalg.qr(jacobian @ directions)
            growth.append(triangle.diagonal().abs().log())
            state = step(state, x_t).detach()
        return torch.stack(growth).mean(dim=0)

    return Pair(
        lambda: vg.theory.lyapunov(model, x, str(layer.name)), by_hand, "PyTorch, jacrev and qr"
    )


PAIRS: dict[str, Callable[[], Pair]] = {
    "internals-D2": lambda: internals_of_dense("D2"),
    "internals-R1": lambda: internals_of_recurrent("R1"),
    "internals-L1": lambda: internals_of_recurrent("L1"),
    "lyapunov-rnn": lambda: lyapunov("rnn"),
    "lyapunov-gru": lambda: lyapunov("gru"),
    "lyapunov-lstm": lambda: lyapunov("lstm"),
}


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def measure(pair: Pair, rounds: int) -> tuple[float, float, float]:
    """Median milliseconds of ours and theirs, and the median of their ratios."""
    for call in (pair.ours, pair.theirs):
        call()
    with no_garbage_collector():
        both = [(seconds(pair.ours), seconds(pair.theirs)) for _ in range(rounds)]
    ours, theirs = (1e3 * median(times) for times in zip(*both, strict=True))
    return ours, theirs, median(their / our for our, their in both)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[[], *PAIRS], default=[], metavar="ROW")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    options = parser.parse_args(arguments)
    vg.set_num_threads(1)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    print(f"{simd.level}, one thread\n")
    print("| | vgcore | peer | | faster |\n|---|---:|---|---:|---:|")
    for name in options.rows or PAIRS:
        pair = PAIRS[name]()
        ours, theirs, faster = measure(pair, options.rounds)
        print(f"| {name} | {ours:.2f} ms | {pair.peer} | {theirs:.2f} ms | {faster:.1f}× |")


if __name__ == "__main__":
    main()
