"""The rows of the speed table: what is trained, in what sizes, and how many FLOPs a step costs.

A new row is one more entry in `ROWS`. A new kind of network is one more subclass of `Workload`
here, and one more `network` builder in each file of `peers/`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Small, so that thousands of steps on random labels stay far from overflow and from subnormal
# numbers: either would time the exceptional paths of a CPU instead of its arithmetic.
LEARNING_RATE = 0.01
SEED = 0

GATES = {"rnn": 1, "lstm": 4, "gru": 3}  # each with weights of its own, stacked as in PyTorch
FORGET = 1  # place of an LSTM's forget gate among i, f, g, o

# Of batch normalization, everybody's defaults
EPS = 1e-5
MOMENTUM = 0.1  # a minibatch's share of the running statistics


@dataclass(frozen=True, kw_only=True)
class Workload(ABC):
    """One network, one minibatch size, one synthetic data set: float32, plain SGD."""

    name: str
    batch: int
    batches: int  # minibatches in one pass over the data
    loss: str  # vgcore's name for it; always averaged over the batch
    tolerance: float = 1e-3  # relative, on which peers agree of losses and of first updates
    per_call: bool = False  # a step so short that the cost of one call from Python is worth a row

    @property
    def samples(self) -> int:
        """Samples in one pass over the data."""
        return self.batch * self.batches

    @property
    @abstractmethod
    def title(self) -> str:
        """The network in a few words, for the table."""

    @property
    @abstractmethod
    def flops(self) -> int:
        """FLOPs of the matrix products in one train step; everything else counts as nothing."""

    @abstractmethod
    def initial_weights(self) -> dict[str, Array]:
        """Parameters that every peer starts from, by vgcore's names and in its layouts."""

    @abstractmethod
    def data(self) -> tuple[Array, NDArray[np.generic]]:
        """Inputs (samples, …) and targets (samples, …), the same at every call."""


@dataclass(frozen=True, kw_only=True)
class DenseWorkload(Workload):
    """A stack of dense layers, one activation throughout, and softmax cross-entropy at the end."""

    sizes: tuple[int, ...]  # inputs, hidden layers, classes
    activation: str
    loss: str = "sparse_categorical_crossentropy"

    @property
    def title(self) -> str:
        """As in `784-30-30-30-30-10 sigmoid`, deep stacks shortened to `100-50×100-10 tanh`."""
        inputs, *hidden, classes = self.sizes
        same = len(hidden) > 4 and len(set(hidden)) == 1
        middle = f"{len(hidden)}×{hidden[0]}" if same else "-".join(map(str, hidden))
        return f"{inputs}-{middle}-{classes} {self.activation}"

    @property
    def flops(self) -> int:
        """2·batch·in·out for each of forward, dW and dX; the first layer needs no dX."""
        products = [2 * self.batch * fan_in * fan_out for fan_in, fan_out in pairwise(self.sizes)]
        return 3 * sum(products) - products[0]

    def initial_weights(self) -> dict[str, Array]:
        """He's initialization for relu, Xavier's for the rest; biases zero."""
        rng = np.random.default_rng(SEED)
        weights: dict[str, Array] = {}
        for index, (fan_in, fan_out) in enumerate(pairwise(self.sizes), start=1):
            variance = 2 / fan_in if self.activation == "relu" else 2 / (fan_in + fan_out)
            normal = rng.standard_normal((fan_out, fan_in), dtype=np.float32)
            weights[f"dense{index}.weight"] = normal * np.float32(variance**0.5)
            weights[f"dense{index}.bias"] = np.zeros(fan_out, dtype=np.float32)
        return weights

    def data(self) -> tuple[Array, NDArray[np.int64]]:
        """Inputs from N(0, 1) and labels at random."""
        rng = np.random.default_rng(SEED + 1)
        x = rng.standard_normal((self.samples, self.sizes[0]), dtype=np.float32)
        return x, rng.integers(self.sizes[-1], size=self.samples)


@dataclass(frozen=True, kw_only=True)
class BatchNormWorkload(DenseWorkload):
    """The same with batch normalization before every activation, in the place of a bias."""

    # Through batch norm gradients grow with depth (Yang et al. 2019, arXiv 1902.08129), and so does what
    # follows from one ReLU that rounding turned: up to 4e-3 at 20 layers.
    tolerance: float = 1e-2

    @property
    def title(self) -> str:
        """As in `512-20×512-10 relu, batch norm`."""
        return f"{super().title}, batch norm"

    def initial_weights(self) -> dict[str, Array]:
        """As without; batch normalization starts as the identity."""
        weights = super().initial_weights()
        for index, units in enumerate(self.sizes[1:-1], start=1):
            del weights[f"dense{index}.bias"]
            weights |= _batch_norm(f"batchnorm{index}", units)
        return weights


class Block(NamedTuple):
    """A residual block: two convolutions of 3 × 3, the first of them with the stride."""

    name: str
    inputs: int  # channels
    outputs: int
    stride: int


@dataclass(frozen=True, kw_only=True)
class ResNetWorkload(Workload):
    """A residual network for small images, and softmax cross-entropy: He et al. 2016, section 4.2.

    Convolutions have no bias, and batch normalization behind them. Where a block halves the image and
    doubles the channels, its skip takes every second row and column, and adds channels of zeros
    behind its own (option A).
    """

    depth: int  # 6 n + 2: n blocks to each of three widths
    width: int = 16  # channels of the first third
    image: tuple[int, int, int] = (3, 32, 32)  # channels, height, width
    classes: int = 10
    loss: str = "sparse_categorical_crossentropy"
    # PyTorch's batch norm of channels-last images adds 32,768 places up in float32, one after the other:
    # its last outputs are wrong by 7e-6, so many of its ReLUs are turned, and 5e-3 of its gradients.
    tolerance: float = 1e-2

    @property
    def blocks(self) -> list[Block]:
        """The residual blocks, first to last."""
        outputs = [self.width << third for third in range(3) for _ in range((self.depth - 2) // 6)]
        return [
            Block(f"residual{index}", before, after, stride=after // before)
            for index, (before, after) in enumerate(pairwise([self.width, *outputs]), start=1)
        ]

    @property
    def title(self) -> str:
        """As in `ResNet-20, 3×32×32`."""
        return f"ResNet-{self.depth}, {'×'.join(map(str, self.image))}"

    @property
    def flops(self) -> int:
        """2·batch·places·9·in·out for each of forward, dW and dX; the first layer needs no dX.

        That is the usual count: taps that fall on the padding count like all others.
        """
        channels, height, width = self.image
        places = height * width
        products = [places * 9 * channels * self.width]
        for block in self.blocks:
            places //= block.stride**2
            products += [places * 9 * block.outputs * n for n in (block.inputs, block.outputs)]
        products.append(self.blocks[-1].outputs * self.classes)
        return 2 * self.batch * (3 * sum(products) - products[0])

    def initial_weights(self) -> dict[str, Array]:
        """He's initialization; the bias zero, batch normalization the identity."""
        rng = np.random.default_rng(SEED)
        weights = {"conv2d1.weight": _he(rng, self.width, self.image[0], 3, 3)}
        weights |= _batch_norm("batchnorm1", self.width)
        for name, inputs, outputs, _ in self.blocks:
            weights[f"{name}.conv2d1.weight"] = _he(rng, outputs, inputs, 3, 3)
            weights |= _batch_norm(f"{name}.batchnorm1", outputs)
            weights[f"{name}.conv2d2.weight"] = _he(rng, outputs, outputs, 3, 3)
            weights |= _batch_norm(f"{name}.batchnorm2", outputs)
        weights["dense1.weight"] = _he(rng, self.classes, self.blocks[-1].outputs)
        weights["dense1.bias"] = np.zeros(self.classes, dtype=np.float32)
        return weights

    def data(self) -> tuple[Array, NDArray[np.int64]]:
        """Images (samples, channels, height, width) from N(0, 1) and labels at random."""
        rng = np.random.default_rng(SEED + 1)
        x = rng.standard_normal((self.samples, *self.image), dtype=np.float32)
        return x, rng.integers(self.classes, size=self.samples)


@dataclass(frozen=True, kw_only=True)
class RecurrentWorkload(Workload):
    """A recurrent layer, a dense unit on its last hidden state, and mean squared error.

    Every hidden state starts from zeros. ``rnn`` is tanh; ``gru`` resets after the product, as in
    PyTorch.
    """

    cell: str  # of GATES
    inputs: int
    units: int
    times: int
    loss: str = "mse"

    @property
    def layer(self) -> str:
        """The recurrent layer's name, with which those of its parameters begin."""
        return f"{self.cell}1"

    @property
    def title(self) -> str:
        """As in `LSTM 2-64-1, T=100`."""
        return f"{self.cell.upper()} {self.inputs}-{self.units}-1, T={self.times}"

    @property
    def flops(self) -> int:
        """2·batch·in·out of each product: the input's forward and dW, the others' dX as well.

        The recurrent product is left out of the first timestep, whose state is zero.
        """
        rows = GATES[self.cell] * self.units
        of_inputs = self.times * self.inputs * rows
        of_states = (self.times - 1) * self.units * rows
        return 2 * self.batch * (2 * of_inputs + 3 * of_states + 3 * self.units)

    def initial_weights(self) -> dict[str, Array]:
        """Xavier's initialization, orthogonal between states; biases zero, of a forget gate one."""
        rng = np.random.default_rng(SEED)
        gates, units = GATES[self.cell], self.units
        bound = (6 / (self.inputs + units)) ** 0.5
        recurrent = [_orthogonal(rng, units) for _ in range(gates)]
        bias = np.zeros((gates, units))
        if self.cell == "lstm":
            bias[FORGET] = 1
        weights = {
            f"{self.layer}.weight_ih": rng.uniform(-bound, bound, (gates * units, self.inputs)),
            f"{self.layer}.weight_hh": np.concatenate(recurrent),
            f"{self.layer}.bias_ih": bias.ravel(),
            f"{self.layer}.bias_hh": np.zeros(gates * units),
            "dense1.weight": rng.standard_normal((1, units)) * (2 / (units + 1)) ** 0.5,
            "dense1.bias": np.zeros(1),
        }
        return {name: w.astype(np.float32) for name, w in weights.items()}

    def data(self) -> tuple[Array, Array]:
        """Inputs (samples, times, inputs) and targets (samples, 1), both from N(0, 1)."""
        rng = np.random.default_rng(SEED + 1)
        x = rng.standard_normal((self.samples, self.times, self.inputs), dtype=np.float32)
        return x, rng.standard_normal((self.samples, 1), dtype=np.float32)


def _he(rng: np.random.Generator, *shape: int) -> Array:
    """Return weights (outputs, inputs, ...) from N(0, 2 / fan-in) (He et al. 2015)."""
    variance = 2 / np.prod(shape[1:])
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(variance**0.5)


def _batch_norm(layer: str, features: int) -> dict[str, Array]:
    """Return the parameters and running statistics of a layer that starts as the identity."""
    starts = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
    return {
        f"{layer}.{name}": np.full(features, start, np.float32) for name, start in starts.items()
    }


def _orthogonal(rng: np.random.Generator, units: int) -> NDArray[np.float64]:
    """Return an orthogonal matrix, any of them equally likely (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((units, units)))
    return q * np.sign(np.diag(r))


ROWS: dict[str, Workload] = {
    row.name: row
    for row in (
        DenseWorkload(
            name="D1",
            sizes=(784, 30, 30, 30, 30, 10),
            activation="sigmoid",
            batch=10,
            batches=100,
            per_call=True,
        ),
        DenseWorkload(
            name="D2", sizes=(100, *[100] * 50, 10), activation="tanh", batch=32, batches=50
        ),
        DenseWorkload(
            name="D3", sizes=(512, *[512] * 20, 10), activation="relu", batch=128, batches=4
        ),
        DenseWorkload(
            name="D4", sizes=(1024, 1024, 1024, 10), activation="relu", batch=256, batches=4
        ),
        BatchNormWorkload(
            name="B1", sizes=(512, *[512] * 20, 10), activation="relu", batch=128, batches=4
        ),
        ResNetWorkload(name="C1", depth=20, batch=32, batches=2),
        RecurrentWorkload(
            name="R1", cell="rnn", inputs=2, units=64, times=100, batch=32, batches=16
        ),
        RecurrentWorkload(
            name="R2", cell="rnn", inputs=16, units=128, times=1000, batch=16, batches=4
        ),
        RecurrentWorkload(
            name="L1", cell="lstm", inputs=2, units=64, times=100, batch=32, batches=16
        ),
        RecurrentWorkload(
            name="L2", cell="lstm", inputs=256, units=256, times=200, batch=64, batches=2
        ),
        RecurrentWorkload(
            name="G1", cell="gru", inputs=16, units=128, times=200, batch=32, batches=4
        ),
    )
}
