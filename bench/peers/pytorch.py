"""PyTorch: its usual training loop, and the whole train step compiled into one function."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from functools import singledispatch
from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from peers.base import Peer
from workloads import LEARNING_RATE, Array, DenseWorkload, Workload

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
LOSSES = {"sparse_categorical_crossentropy": functional.cross_entropy}


@singledispatch
def network(workload: Workload) -> nn.Module:
    """Build the network, its parameters named as vgcore names them."""
    raise NotImplementedError(type(workload).__name__)


@network.register
def _(workload: DenseWorkload) -> nn.Module:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for index, (fan_in, fan_out) in enumerate(pairwise(workload.sizes), start=1):
        modules[f"dense{index}"] = nn.Linear(fan_in, fan_out)
        modules[f"activation{index}"] = ACTIVATIONS[workload.activation]()
    modules.popitem()  # the loss takes the last layer's logits
    return nn.Sequential(modules)


class _PyTorch(Peer):
    """What both ways of running PyTorch share: everything but the step."""

    package = "torch"

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        torch.set_num_threads(threads)
        self._x, self._y = map(torch.from_numpy, workload.data())
        self._network = network(workload)
        self._network.load_state_dict(
            {name: torch.from_numpy(w) for name, w in workload.initial_weights().items()}
        )
        self._loss = LOSSES[workload.loss]

    @abstractmethod
    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        """Update the parameters from one minibatch; return its loss."""

    def run(self, epochs: int) -> None:
        # Gathering a whole pass and cutting views from it beats one gather per minibatch.
        batch = self.workload.batch
        for _ in range(epochs):
            order = torch.randperm(self.workload.samples)
            for x, y in zip(self._x[order].split(batch), self._y[order].split(batch), strict=True):
                self._step(x, y)

    def losses(self, steps: int) -> NDArray[np.floating]:
        batch = self.workload.batch
        minibatches = zip(self._x.split(batch), self._y.split(batch), strict=True)
        return np.array([self._step(x, y).item() for x, y in islice(minibatches, steps)])

    def parameters(self) -> dict[str, Array]:
        return {name: w.numpy().copy() for name, w in self._network.state_dict().items()}


class PyTorchEager(_PyTorch):
    """The training loop of PyTorch's tutorials, with the fused optimizer."""

    name = "pytorch-eager"

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        self._optimizer = torch.optim.SGD(self._network.parameters(), lr=LEARNING_RATE, fused=True)

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(self._network(x), y)
        loss.backward()
        self._optimizer.step()
        return loss.detach()


class PyTorchCompiled(_PyTorch):
    """Loss, gradients and update in one graph, so that a step is one call into compiled code.

    Compiling the forward pass alone, as is more usual, leaves autograd and the optimizer outside:
    on small networks that is three times slower, and no faster than eager.
    """

    name = "pytorch-compiled"

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        torch.compiler.reset()  # every workload is a recompilation, and those are limited
        self._weights = {n: p.detach() for n, p in self._network.named_parameters()}
        loss_of = self._loss_of

        def step(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            gradients, loss = torch.func.grad_and_value(loss_of)(weights, x, y)
            for name, gradient in gradients.items():
                weights[name].sub_(gradient, alpha=LEARNING_RATE)
            return loss

        # The thread count is baked into the code; naming it here keys the compiler's cache by it.
        options: dict[str, str | int | bool | Callable[..., Any]]
        options = {"cpp_wrapper": True, "cpp.threads": threads}
        self._compiled = torch.compile(step, fullgraph=True, dynamic=False, options=options)

    def _loss_of(self, weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return self._loss(torch.func.functional_call(self._network, weights, (x,)), y)

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        loss: Tensor = self._compiled(self._weights, x, y)
        return loss

    def run(self, epochs: int) -> None:
        # Shapes never change, and `losses` has compiled the step: its guards need no second look.
        with torch.no_grad(), torch.compiler.set_stance(skip_guard_eval_unsafe=True):
            super().run(epochs)

    def losses(self, steps: int) -> NDArray[np.floating]:
        with torch.no_grad():
            return super().losses(steps)
