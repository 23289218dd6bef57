"""PyTorch, compiled: the whole train step in one function, or a loop over time in chunks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from peers.pytorch import LOSSES, PyTorchPeer
from workloads import LEARNING_RATE, RecurrentWorkload, Workload

Function = Callable[..., Any]
Compiler = Callable[[Function], Function]
Tensors = dict[str, Tensor]

CELLS = {"rnn": torch.rnn_tanh_cell, "lstm": torch.lstm_cell, "gru": torch.gru_cell}
CHUNK = 25  # timesteps in one graph; 50 take twice as long to compile and gain nothing


@singledispatch
def compiled_step(workload: Workload, network: nn.Module, compiler: Compiler) -> Function:
    """Build the function that trains one minibatch (x, y) and returns its loss.

    Loss, gradients and update are in one graph, so that a step is one call into compiled code.
    Compiling the forward pass alone, as is more usual, leaves autograd and the optimizer outside:
    on small networks that is three times slower, and no faster than eager.
    """
    loss_function = LOSSES[workload.loss]
    parameters = {n: p.detach() for n, p in network.named_parameters()}
    statistics = dict(network.named_buffers())  # which the forward pass moves

    def loss_of(weights: Tensors, statistics: Tensors, x: Tensor, y: Tensor) -> Tensor:
        return loss_function(torch.func.functional_call(network, (weights, statistics), (x,)), y)

    def step(weights: Tensors, statistics: Tensors, x: Tensor, y: Tensor) -> Tensor:
        gradients, loss = torch.func.grad_and_value(loss_of)(weights, statistics, x, y)
        for name, gradient in gradients.items():
            weights[name].sub_(gradient, alpha=LEARNING_RATE)
        return loss

    return partial(compiler(step), parameters, statistics)


@compiled_step.register
def _(workload: RecurrentWorkload, network: nn.Module, compiler: Compiler) -> Function:
    """Compile a chunk of timesteps, forward and backward, and let autograd link the chunks.

    `torch.compile` leaves nn.RNN, nn.LSTM and nn.GRU as they are, and unrolls every loop over cells:
    the 100 timesteps of L1 in one graph compile for four minutes, a chunk of 25 in half a minute.
    The whole step of R1 in one graph, as above, compiles for a minute and is then a third faster.
    """
    loss_function = LOSSES[workload.loss]
    weights = tuple(network.get_submodule(workload.layer).parameters())
    dense = network.get_submodule("dense1")
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, fused=True)
    cell = CELLS[workload.cell]

    def walk(x: Tensor, state: Any) -> Any:
        for x_t in x.unbind(1):
            state = cell(x_t, state, *weights)
        return state

    compiled = compiler(walk)

    def zeros() -> Tensor:
        # With a gradient, so that the first chunk can run the graph of all others.
        return torch.zeros(workload.batch, workload.units, requires_grad=True)

    @torch.enable_grad()
    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        state: Any = (zeros(), zeros()) if workload.cell == "lstm" else zeros()
        for chunk in x.split(CHUNK, dim=1):
            state = compiled(chunk, state)
        hidden = state[0] if workload.cell == "lstm" else state
        loss = loss_function(dense(hidden), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


class PyTorchCompiled(PyTorchPeer):
    """As much of a train step as `torch.compile` takes, in one graph."""

    name = "pytorch-compiled"
    layout = torch.channels_last

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        torch.compiler.reset()  # every workload is a recompilation, and those are limited
        # The thread count is baked into the code; naming it here keys the compiler's cache by it.
        options: dict[str, str | int | bool | Function]
        options = {"cpp_wrapper": True, "cpp.threads": threads}
        compiler = partial(torch.compile, fullgraph=True, dynamic=False, options=options)
        self._compiled = compiled_step(workload, self._network, compiler)

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        loss: Tensor = self._compiled(x, y)
        return loss

    def run(self, epochs: int) -> None:
        # Shapes never change, and `losses` has compiled the step: its guards need no second look.
        with torch.no_grad(), torch.compiler.set_stance(skip_guard_eval_unsafe=True):
            super().run(epochs)

    def losses(self, steps: int) -> NDArray[np.floating]:
        with torch.no_grad():
            return super().losses(steps)
