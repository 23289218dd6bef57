"""PyTorch: the networks, and its usual training loop."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from functools import singledispatch
from itertools import islice, pairwise
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from peers.base import Peer
from workloads import (
    EPS,
    LEARNING_RATE,
    MOMENTUM,
    Array,
    BatchNormWorkload,
    Block,
    DenseWorkload,
    RecurrentWorkload,
    ResNetWorkload,
    Workload,
)

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
LOSSES = {
    "sparse_categorical_crossentropy": functional.cross_entropy,
    "mse": functional.mse_loss,
}


@singledispatch
def network(workload: Workload) -> nn.Module:
    """Build the network, its parameters named so that `_shared` finds vgcore's names."""
    raise NotImplementedError(type(workload).__name__)


@network.register
def _(workload: DenseWorkload) -> nn.Module:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for index, (fan_in, fan_out) in enumerate(pairwise(workload.sizes), start=1):
        modules[f"dense{index}"] = nn.Linear(fan_in, fan_out)
        modules[f"activation{index}"] = ACTIVATIONS[workload.activation]()
    modules.popitem()  # the loss takes the last layer's logits
    return nn.Sequential(modules)


@network.register
def _(workload: BatchNormWorkload) -> nn.Module:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    inputs, *hidden, classes = workload.sizes
    for index, (fan_in, fan_out) in enumerate(pairwise([inputs, *hidden]), start=1):
        modules[f"dense{index}"] = nn.Linear(fan_in, fan_out, bias=False)
        modules[f"batchnorm{index}"] = nn.BatchNorm1d(fan_out, EPS, MOMENTUM)
        modules[f"activation{index}"] = ACTIVATIONS[workload.activation]()
    modules[f"dense{len(hidden) + 1}"] = nn.Linear(hidden[-1], classes)
    return nn.Sequential(modules)


@network.register
def _(workload: ResNetWorkload) -> nn.Module:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    modules["conv2d1"] = _convolution(workload.image[0], workload.width)
    modules["batchnorm1"] = nn.BatchNorm2d(workload.width, EPS, MOMENTUM)
    modules["activation1"] = nn.ReLU(inplace=True)
    modules.update((block.name, _Residual(block)) for block in workload.blocks)
    modules["pool"] = nn.AdaptiveAvgPool2d(1)
    modules["flatten"] = nn.Flatten()
    modules["dense1"] = nn.Linear(workload.blocks[-1].outputs, workload.classes)
    return nn.Sequential(modules)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


class _Residual(nn.Module):
    """A basic block as torchvision writes it, but for the skip without parameters."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.block = block
        self.conv2d1 = _convolution(block.inputs, block.outputs, block.stride)
        self.batchnorm1 = nn.BatchNorm2d(block.outputs, EPS, MOMENTUM)
        self.conv2d2 = _convolution(block.outputs, block.outputs)
        self.batchnorm2 = nn.BatchNorm2d(block.outputs, EPS, MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        _, inputs, outputs, stride = self.block
        h = functional.relu(self.batchnorm1(self.conv2d1(x)), inplace=True)
        h = self.batchnorm2(self.conv2d2(h))
        if stride > 1:
            x = functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, outputs - inputs))
        h += x
        return functional.relu(h, inplace=True)


@network.register
def _(workload: RecurrentWorkload) -> nn.Module:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    layer = LAYERS[workload.cell]
    modules[workload.layer] = layer(workload.inputs, workload.units, batch_first=True)
    modules["last"] = _LastHidden()
    modules["dense1"] = nn.Linear(workload.units, 1)
    return nn.Sequential(modules)


class _LastHidden(nn.Module):
    """From all that a recurrent layer returns to its last hidden state, (batch, units).

    Taken from the output at every timestep instead, the way back would start with a gradient of
    that size, nearly all zeros.
    """

    def forward(self, returned: tuple[Tensor, Tensor | tuple[Tensor, Tensor]]) -> Tensor:
        _, state = returned
        hidden = state[0] if isinstance(state, tuple) else state
        return hidden.squeeze(0)


def _shared(name: str) -> str:
    """Return vgcore's name of a parameter: without what numbers the layers inside nn.RNN."""
    return name.removesuffix("_l0")


class PyTorchPeer(Peer):
    """What all ways of running PyTorch share: everything but the step."""

    package = "torch"
    layout: ClassVar[torch.memory_format] = torch.contiguous_format  # of images

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)  # as the others do: gradients vanish through 1000 timesteps
        self._x, self._y = map(torch.from_numpy, workload.data())
        self._network = self._build()
        if self._x.ndim == 4:
            self._x = self._x.contiguous(memory_format=self.layout)
            self._network.to(memory_format=self.layout)
        weights = workload.initial_weights()
        state = {_shared(name): tensor for name, tensor in self._network.state_dict().items()}
        self._parameters = {
            name: state[name] for name in weights
        }  # not batch norm's count of steps
        for name, tensor in self._parameters.items():
            tensor.copy_(torch.from_numpy(weights[name]))
        self._loss = LOSSES[workload.loss]

    def _build(self) -> nn.Module:
        return network(self.workload)

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
        return {name: w.numpy().copy() for name, w in self._parameters.items()}


class PyTorchEager(PyTorchPeer):
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


class PyTorchChannelsLast(PyTorchEager):
    """The same with the channels of each place side by side in memory."""

    name = "pytorch-channels-last"
    layout = torch.channels_last

    @classmethod
    def runs(cls, workload: Workload) -> bool:
        return isinstance(workload, ResNetWorkload)
