"""JAX: many steps in one jitted `lax.scan`, parameters donated, minibatches gathered inside."""

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
from workloads import LEARNING_RATE, Array, DenseWorkload, RecurrentWorkload, Workload

jax.config.update("jax_platforms", "cpu")

Parameters = dict[str, JaxArray]
Network = Callable[[Parameters, JaxArray], JaxArray]

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}


def _cross_entropy(logits: JaxArray, labels: JaxArray) -> JaxArray:
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -chosen.mean()


def _mean_squared_error(outputs: JaxArray, targets: JaxArray) -> JaxArray:
    return jnp.square(outputs - targets).mean()


LOSSES = {"sparse_categorical_crossentropy": _cross_entropy, "mse": _mean_squared_error}


@singledispatch
def network(workload: Workload, by_hand: bool) -> Network:
    """Build the function from weights and inputs to what the loss takes.

    ``by_hand``: backpropagation through time is written out, instead of derived by JAX.
    """
    raise NotImplementedError(type(workload).__name__)


@network.register
def _(workload: DenseWorkload, by_hand: bool) -> Network:
    activation = ACTIVATIONS[workload.activation]
    layers = [f"dense{index}" for index in range(1, len(workload.sizes))]

    def logits(weights: Parameters, x: JaxArray) -> JaxArray:
        for layer in layers[:-1]:
            x = activation(x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"])
        return x @ weights[f"{layers[-1]}.weight"].T + weights[f"{layers[-1]}.bias"]

    return logits


@network.register
def _(workload: RecurrentWorkload, by_hand: bool) -> Network:
    layer = last_hidden(CELLS[workload.cell], by_hand=by_hand)
    names = [
        f"{workload.layer}.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]

    def outputs(weights: Parameters, x: JaxArray) -> JaxArray:
        h = layer(Weights(*(weights[name] for name in names)), x)
        return h @ weights["dense1.weight"].T + weights["dense1.bias"]

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


class JaxScan(Peer):
    """Any number of steps in one call: order (steps, batch) in, losses (steps,) out."""

    name = "jax-scan"
    package = "jax"
    by_hand: ClassVar[bool] = False

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        _set_threads(threads)
        self._data = jax.device_put(workload.data())
        self._weights = jax.device_put(workload.initial_weights())
        self._shuffled = Shuffler(workload)
        forward, loss = network(workload, self.by_hand), LOSSES[workload.loss]

        def loss_of(weights: Parameters, x: JaxArray, y: JaxArray) -> JaxArray:
            return loss(forward(weights, x), y)

        @partial(jax.jit, donate_argnums=0)
        def train(
            weights: Parameters, x: JaxArray, y: JaxArray, order: JaxArray
        ) -> tuple[Parameters, JaxArray]:
            def step(weights: Parameters, chosen: JaxArray) -> tuple[Parameters, JaxArray]:
                value, gradients = jax.value_and_grad(loss_of)(weights, x[chosen], y[chosen])
                return jax.tree.map(lambda w, g: w - LEARNING_RATE * g, weights, gradients), value

            return lax.scan(step, weights, order)

        self._train = train

    def _steps(self, order: NDArray[np.int32]) -> JaxArray:
        losses: JaxArray
        self._weights, losses = self._train(self._weights, *self._data, order)
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
