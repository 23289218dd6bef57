"""JAX: steps in one jitted `lax.scan` or one by one, parameters donated, minibatches gathered inside."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial, singledispatch
from typing import ClassVar

import jax
import numpy as np
from jax import Array as JaxArray
from jax import lax
from jax import numpy as jnp
from numpy.typing import NDArray

from peers.base import Peer, Shuffler
from peers.jax_recurrent import CELLS, Weights, last_hidden
from workloads import (
    EPS,
    LEARNING_RATE,
    MOMENTUM,
    Array,
    BatchNormWorkload,
    DenseWorkload,
    RecurrentWorkload,
    ResNetWorkload,
    Workload,
)

jax.config.update("jax_platforms", "cpu")

Parameters = dict[str, JaxArray]
Network = Callable[[Parameters, JaxArray], tuple[JaxArray, Parameters]]
Step = Callable[[Parameters, JaxArray, JaxArray], tuple[Parameters, JaxArray]]
Train = Callable[[Parameters, JaxArray, JaxArray, NDArray[np.int32]], tuple[Parameters, JaxArray]]

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}


def _cross_entropy(logits: JaxArray, labels: JaxArray) -> JaxArray:
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -chosen.mean()


def _mean_squared_error(outputs: JaxArray, targets: JaxArray) -> JaxArray:
    return jnp.square(outputs - targets).mean()


LOSSES = {"sparse_categorical_crossentropy": _cross_entropy, "mse": _mean_squared_error}


@singledispatch
def network(workload: Workload, by_hand: bool) -> Network:
    """Build the function from weights and inputs to what the loss takes, and new running statistics.

    ``by_hand``: backpropagation through time is written out, instead of derived by JAX.
    """
    raise NotImplementedError(type(workload).__name__)


@network.register
def _(workload: DenseWorkload, by_hand: bool) -> Network:
    activation = ACTIVATIONS[workload.activation]
    layers = [f"dense{index}" for index in range(1, len(workload.sizes))]

    def logits(weights: Parameters, x: JaxArray) -> tuple[JaxArray, Parameters]:
        for layer in layers[:-1]:
            x = activation(_dense(weights, layer, x))
        return _dense(weights, layers[-1], x), {}

    return logits


@network.register
def _(workload: BatchNormWorkload, by_hand: bool) -> Network:
    activation = ACTIVATIONS[workload.activation]
    hidden = len(workload.sizes) - 2

    def logits(weights: Parameters, x: JaxArray) -> tuple[JaxArray, Parameters]:
        moved: Parameters = {}
        for index in range(1, hidden + 1):
            z = x @ weights[f"dense{index}.weight"].T
            z, statistics = _batch_norm(weights, f"batchnorm{index}", z)
            moved |= statistics
            x = activation(z)
        return _dense(weights, f"dense{hidden + 1}", x), moved

    return logits


@network.register
def _(workload: ResNetWorkload, by_hand: bool) -> Network:
    def logits(weights: Parameters, x: JaxArray) -> tuple[JaxArray, Parameters]:
        moved: Parameters = {}

        def normalized(prefix: str, index: int, x: JaxArray, stride: int = 1) -> JaxArray:
            """Convolve and normalize."""
            z = lax.conv_general_dilated(
                x,
                weights[f"{prefix}conv2d{index}.weight"],
                window_strides=(stride, stride),
                padding=((1, 1), (1, 1)),
                dimension_numbers=("NHWC", "OIHW", "NHWC"),
            )
            z, statistics = _batch_norm(weights, f"{prefix}batchnorm{index}", z)
            moved.update(statistics)
            return z

        x = jax.nn.relu(normalized("", 1, x))
        for name, inputs, outputs, stride in workload.blocks:
            h = jax.nn.relu(normalized(f"{name}.", 1, x, stride))
            h = normalized(f"{name}.", 2, h)
            skip = jnp.pad(x[:, ::stride, ::stride], ((0, 0),) * 3 + ((0, outputs - inputs),))
            x = jax.nn.relu(h + skip)
        return _dense(weights, "dense1", x.mean((1, 2))), moved

    return logits


def _dense(weights: Parameters, layer: str, x: JaxArray) -> JaxArray:
    return x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]


def _batch_norm(weights: Parameters, layer: str, z: JaxArray) -> tuple[JaxArray, Parameters]:
    """Normalize the last axis; return the running statistics, too, moved by this minibatch."""
    axes = tuple(range(z.ndim - 1))
    mean = z.mean(axes)
    variance = jnp.square(z - mean).mean(axes)
    samples = z.size // z.shape[-1]
    found = {"running_mean": mean, "running_var": variance * (samples / (samples - 1))}
    moved = {
        f"{layer}.{name}": (1 - MOMENTUM) * weights[f"{layer}.{name}"] + MOMENTUM * statistic
        for name, statistic in found.items()
    }
    scale = weights[f"{layer}.weight"] * lax.rsqrt(variance + EPS)
    return (z - mean) * scale + weights[f"{layer}.bias"], moved


@network.register
def _(workload: RecurrentWorkload, by_hand: bool) -> Network:
    layer = last_hidden(CELLS[workload.cell], by_hand=by_hand)
    names = [
        f"{workload.layer}.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]

    def outputs(weights: Parameters, x: JaxArray) -> tuple[JaxArray, Parameters]:
        h = layer(Weights(*(weights[name] for name in names)), x)
        return _dense(weights, "dense1", h), {}

    return outputs


def _set_threads(threads: int) -> None:
    """Size XLA's thread pools, which it does once in a process, when its first array is made.

    XLA takes no count per call, and ignores `--xla_cpu_multi_thread_eigen` and OpenMP's variables.
    """
    if os.environ.setdefault("PJRT_NPROC", str(threads)) != str(threads):
        raise RuntimeError(
            f"JAX cannot run on {threads} threads in a process where PJRT_NPROC is "
            f"{os.environ['PJRT_NPROC']}: use one process for each number of threads"
        )


def _channels_last(x: Array) -> Array:
    """Lay images out as XLA's convolutions read them, and leave all else as it is."""
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


class JaxScan(Peer):
    """Any number of steps in one call: order (steps, batch) in, losses (steps,) out."""

    name = "jax-scan"
    package = "jax"
    by_hand: ClassVar[bool] = False

    @classmethod
    def runs(cls, workload: Workload) -> bool:
        return not isinstance(workload, ResNetWorkload)

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        _set_threads(threads)
        x, y = workload.data()
        self._x, self._y = jax.device_put((_channels_last(x), y))
        self._weights = jax.device_put(workload.initial_weights())
        self._shuffled = Shuffler(workload)
        forward, loss = network(workload, self.by_hand), LOSSES[workload.loss]

        def loss_of(weights: Parameters, x: JaxArray, y: JaxArray) -> tuple[JaxArray, Parameters]:
            outputs, moved = forward(weights, x)
            return loss(outputs, y), moved

        def step(weights: Parameters, x: JaxArray, y: JaxArray) -> tuple[Parameters, JaxArray]:
            gradient_of = jax.value_and_grad(loss_of, has_aux=True)
            (value, moved), gradients = gradient_of(weights, x, y)
            updated = jax.tree.map(lambda w, g: w - LEARNING_RATE * g, weights, gradients)
            return {**updated, **moved}, value

        self._train = self._compiled(step)

    def _compiled(self, step: Step) -> Train:
        @partial(jax.jit, donate_argnums=0)
        def train(
            weights: Parameters, x: JaxArray, y: JaxArray, order: JaxArray
        ) -> tuple[Parameters, JaxArray]:
            return lax.scan(lambda w, chosen: step(w, x[chosen], y[chosen]), weights, order)

        return train

    def _steps(self, order: NDArray[np.int32]) -> JaxArray:
        self._weights, losses = self._train(self._weights, self._x, self._y, order)
        jax.block_until_ready(self._weights)
        return losses

    def run(self, epochs: int) -> None:
        self._steps(self._shuffled(epochs))

    def losses(self, steps: int) -> NDArray[np.floating]:
        order = np.arange(steps * self.workload.batch, dtype=np.int32)
        return np.asarray(self._steps(order.reshape(steps, self.workload.batch)))

    def parameters(self) -> dict[str, Array]:
        return {name: np.array(w) for name, w in self._weights.items()}


class JaxByHand(JaxScan):
    """The same with backpropagation through time written out by hand, which few users would do."""

    name = "jax-by-hand"
    by_hand = True

    @classmethod
    def runs(cls, workload: Workload) -> bool:
        return isinstance(workload, RecurrentWorkload)


class JaxJit(JaxScan):
    """One call per step: XLA's convolutions are 25 times slower inside a loop (jax-ml/jax#12868)."""

    name = "jax-jit"

    @classmethod
    def runs(cls, workload: Workload) -> bool:
        return isinstance(workload, ResNetWorkload)

    def _compiled(self, step: Step) -> Train:
        @partial(jax.jit, donate_argnums=0)
        def once(
            weights: Parameters, x: JaxArray, y: JaxArray, chosen: JaxArray
        ) -> tuple[Parameters, JaxArray]:
            return step(weights, x[chosen], y[chosen])

        def train(
            weights: Parameters, x: JaxArray, y: JaxArray, order: NDArray[np.int32]
        ) -> tuple[Parameters, JaxArray]:
            losses = []
            for chosen in order:
                weights, loss = once(weights, x, y, chosen)
                losses.append(loss)
            return weights, jnp.stack(losses)

        return train
