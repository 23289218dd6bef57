"""vgcore: `fit`, the same with the tracker on, and one call of `train_on_batch` per step."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

import vgcore as vg
from peers.base import Peer
from workloads import (
    EPS,
    LEARNING_RATE,
    MOMENTUM,
    SEED,
    Array,
    BatchNormWorkload,
    DenseWorkload,
    RecurrentWorkload,
    ResNetWorkload,
    Workload,
)

LAYERS = {"rnn": vg.RNN, "lstm": vg.LSTM, "gru": vg.GRU}


@singledispatch
def network(workload: Workload) -> vg.Sequential:
    """Build the model, not yet compiled."""
    raise NotImplementedError(type(workload).__name__)


@network.register
def _(workload: DenseWorkload) -> vg.Sequential:
    inputs, *hidden, classes = workload.sizes
    layers = [vg.Dense(size, workload.activation) for size in hidden]
    return vg.Sequential(
        [*layers, vg.Dense(classes, "softmax")], input_shape=inputs, dtype="float32", seed=SEED
    )


@network.register
def _(workload: BatchNormWorkload) -> vg.Sequential:
    inputs, *hidden, classes = workload.sizes
    layers: list[vg.layers.Layer] = []
    for size in hidden:
        layers.append(vg.Dense(size, use_bias=False))
        layers.append(vg.BatchNorm(workload.activation, momentum=MOMENTUM, epsilon=EPS))
    return vg.Sequential(
        [*layers, vg.Dense(classes, "softmax")], input_shape=inputs, dtype="float32", seed=SEED
    )


@network.register
def _(workload: ResNetWorkload) -> vg.Sequential:
    return vg.zoo.resnet(
        workload.depth,
        input_shape=workload.image,
        classes=workload.classes,
        width=workload.width,
        dtype="float32",
        seed=SEED,
    )


@network.register
def _(workload: RecurrentWorkload) -> vg.Sequential:
    return vg.Sequential(
        [LAYERS[workload.cell](workload.units), vg.Dense(1)],
        input_shape=(workload.times, workload.inputs),
        dtype="float32",
        seed=SEED,
    )


class VgcoreFit(Peer):
    """All steps in one call of `fit`."""

    name = "vgcore"
    package = "vgcore"

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        vg.set_num_threads(threads)
        self._x, self._y = workload.data()
        self._model = network(workload)
        self._model.compile(loss=workload.loss, optimizer=vg.SGD(LEARNING_RATE))
        self._model.load_state_dict(workload.initial_weights())

    def _tracker(self) -> vg.GradientFlow | None:
        """Return what watches the timed steps."""
        return None

    def run(self, epochs: int) -> None:
        self._model.fit(
            self._x,
            self._y,
            epochs=epochs,
            batch_size=self.workload.batch,
            shuffle=True,
            track=self._tracker(),
        )

    def losses(self, steps: int) -> NDArray[np.floating]:
        flow = vg.GradientFlow(every=1)
        samples = steps * self.workload.batch
        self._model.fit(
            self._x[:samples],
            self._y[:samples],
            epochs=1,
            batch_size=self.workload.batch,
            shuffle=False,
            track=flow,
        )
        return np.asarray(flow.loss)

    def parameters(self) -> dict[str, Array]:
        return {name: np.array(w) for name, w in self._model.state_dict().items()}


class VgcoreTracked(VgcoreFit):
    """`fit` with every field of the tracker recorded at every step."""

    name = "vgcore-tracked"

    def _tracker(self) -> vg.GradientFlow:
        return vg.GradientFlow(every=1)


class VgcorePerCall(VgcoreFit):
    """One call from Python per step, on minibatches that lie ready in stored order."""

    name = "vgcore-per-call"

    @classmethod
    def runs(cls, workload: Workload) -> bool:
        return workload.per_call

    def __init__(self, workload: Workload, threads: int) -> None:
        super().__init__(workload, threads)
        shape = (workload.batches, workload.batch)
        self._minibatches = list(
            zip(
                self._x.reshape(*shape, *self._x.shape[1:]),
                self._y.reshape(*shape, *self._y.shape[1:]),
                strict=True,
            )
        )

    def run(self, epochs: int) -> None:
        train = self._model.train_on_batch
        for _ in range(epochs):
            for x, y in self._minibatches:
                train(x, y)

    def losses(self, steps: int) -> NDArray[np.floating]:
        return np.array([self._model.train_on_batch(x, y) for x, y in self._minibatches[:steps]])
