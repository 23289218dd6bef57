"""A character model: it reads a text, one character at a time, and learns to tell the next one.

Two LSTMs and a softmax, as in Karpathy's char-rnn (2015), behind an embedding where that has one-hot
characters, trained with truncated backpropagation through time (Williams and Peng 1990): the text is read as
streams side by side, window by window; states are carried from one window to the next, gradients are not.

How far back a gradient reaches is measured of one error: that of a window's last character, whose gradient is
taken at the hidden states of all characters before it, on text that is not trained on. In training each
character has an error of its own, so the gradient of a hidden state is the sum of what all later ones send
back, which is about the same all over the window, however soon a single one is gone.

The score is the cross-entropy in bits per character of the text's last tenth, which is not trained on,
read in the same way. The source has samples and no such score; beside it are equal odds on a vocabulary of V,
log2 V bits, and what the frequencies of the characters in the training text alone come to. Forty
thousand lines of Shakespeare (1.1 million characters, 65 different ones: 6.02 bits by chance, 4.83 by
frequencies) come to 2.09 bits in ten epochs of 256 units (``full``), about five minutes on two cores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, data, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, reading, silent, verdict
from vgcore.experiments.keep import Keep
from vgcore.flow import GradientFlow
from vgcore.layers import LSTM, Dense, Embedding
from vgcore.model import Sequential
from vgcore.model.callbacks import Callback
from vgcore.model.history import Progress
from vgcore.optimizers import Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

ABOUT = About(
    "A character model: how far back in a text its gradient reaches, and what it writes",
    "A. Karpathy, The unreasonable effectiveness of recurrent neural networks (2015)",
)

STREAMS, WINDOW = 32, 64
SAMPLE = 500
_EMBEDDED, _LEARNING_RATE, _WEIGHT_DECAY, _CLIP_NORM = 64, 5e-3, 4e-5, 1.0
_SHARES = 0.1, 0.01  # of an error's gradient
_RECORDS = 200  # of the training's steps, about
_TINY = float(np.finfo(np.float32).tiny)  # stands for a probability that has rounded to 0


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was learned.

    Attributes
    ----------
    flow : GradientFlow
        Some two hundred steps of the training, evenly spread.
    layers : list of str
        Names of the recurrent layers, input to output.
    training, held_out : list of float
        Bits per character: mean of each epoch's steps, and of the held-out tail after each epoch.
    vocabulary : int
        Characters that there are.
    characters : tuple of int
        How many were trained and how many tested on.
    frequencies : float
        Bits per held-out character by how often each is in what was trained on, whatever is before it.
    start, end : dict of str to ndarray, (WINDOW,)
        Norm of the gradient of a window's last character's loss at each hidden state, before and after
        training, of each recurrent layer.
    sample : str
        What the trained model writes.
    temperature : float
        At which it was drawn.
    complete : bool
        Whether all epochs were done within the time.
    """

    flow: GradientFlow
    layers: list[str]
    training: list[float]
    held_out: list[float]
    vocabulary: int
    characters: tuple[int, int]
    frequencies: float
    start: dict[str, Array]
    end: dict[str, Array]
    sample: str
    temperature: float
    complete: bool

    def claims(self) -> list[Claim]:
        """That it learns to tell the next character from those before it."""
        told = self.held_out[-1] < self.frequencies
        return [
            Claim(
                "What is before a character tells which one it is, in a text not seen",
                f"fewer than {self.frequencies:.2f} bits, those of the characters' frequencies (computed; "
                "the source has no score)",
                f"{self.held_out[-1]:.2f} bits",
                verdict(told, told),
                ""
                if told
                else f"{self.held_out[-1] - self.frequencies:.2f} bits more: not yet learned",
            )
        ]

    def tables(self) -> list[Table]:
        """Bits per character, epoch by epoch, and by chance; how far back an error's gradient reaches."""
        rows = [
            (f"{epoch}", f"{training:.3f}", f"{held_out:.3f}")
            for epoch, (training, held_out) in enumerate(
                zip(self.training, self.held_out, strict=True), 1
            )
        ]
        chance = f"{data.chance.text(self.vocabulary) / math.log(2):.3f}"
        rows.append(("frequencies", "–", f"{self.frequencies:.3f}"))
        rows.append(("equal odds (chance)", chance, chance))
        reaches = [
            (f"{layer}, {moment} training", *(_back(norms[layer], share) for share in _SHARES))
            for layer in self.layers
            for moment, norms in (("before", self.start), ("after", self.end))
        ]
        return [
            Table("Bits per character", ("epoch", "training", "held-out tail"), rows),
            Table(
                f"Characters back at which an error's gradient is below a share ({WINDOW - 1} are tracked)",
                ("layer", *(f"{share:.0%}" for share in _SHARES)),
                reaches,
            ),
        ]

    def notes(self) -> list[str]:
        """What was read, and the sample."""
        trained, tested = self.characters
        notes = [
            f"Trained on {trained:,} characters, tested on {tested:,} of the text's last tenth; "
            f"{self.vocabulary} different ones. States are carried along {STREAMS} streams, in windows of "
            f"{WINDOW} characters.",
            "An error's gradient: that of the loss of a window's last character, at the hidden states of "
            "those before it, over what it is at its own.",
            f"{SAMPLE} characters that it wrote, at temperature {self.temperature:g}:\n\n{self.sample}\n",
        ]
        if not self.complete:
            notes.insert(0, "The time was up before all epochs were done: give it more --minutes.")
        return notes

    def picture(self) -> Figure:
        """What one error sends back, and all of a window's at once, at each recurrent layer."""
        figure = plot.blank(11, 7)
        axes = figure.subplots(len(self.layers), 2, sharex=True, sharey=True, squeeze=False)
        before_end = np.arange(1 - WINDOW, 1)
        for layer, (one, whole) in zip(self.layers, axes, strict=True):
            for name, norms, colour in (
                ("before training", self.start[layer], "#e69f00"),
                ("after training", self.end[layer], "#0072b2"),
            ):
                one.plot(before_end, norms / norms[-1], color=colour, label=name)
            one.axhline(_SHARES[-1], color="0.5", linewidth=0.8, linestyle=":")
            one.set(title=f"{layer}: of the last character's error alone", yscale="log")
            for name, field, dashes in (
                ("its own and all later ones'", self.flow.time, "-"),
                ("its own", self.flow.time_direct, "--"),
            ):
                norms = field[layer][-1] / self.flow.time[layer][-1, -1]
                whole.plot(before_end, norms, dashes, color="#0072b2", label=name)
            whole.set(title=f"{layer}: of every character's (last step)", yscale="log")
        for ax in axes[-1]:
            ax.set_xlabel("characters before the window's end")
        for ax in axes[:, 0]:
            ax.set_ylabel("gradient, of that at the end")
        axes[0, 0].legend(loc="upper left")
        axes[0, 1].legend(loc="lower left", title="errors:")
        figure.suptitle(
            "Character model: how far back one error's gradient reaches (dotted: "
            f"{_SHARES[-1]:.0%}), and the sum of all\n"
            f"({self.held_out[-1]:.2f} bits per held-out character)"
        )
        return figure


def run(
    file: Annotated[Path, "The text, in UTF-8."],
    epochs: Annotated[
        int | None, "Passes over the text, over which the rate falls: 2; with full, 10."
    ] = None,
    minutes: Annotated[
        float, "Train no longer; with a folder to keep, to the end of the epoch."
    ] = 10.0,
    units: Annotated[int | None, "Units of each LSTM: 96; with full, 256."] = None,
    full: Annotated[bool, "Train a larger model for longer."] = False,
    temperature: Annotated[float, "Of the sample: below 1 it sticks to what is likely."] = 0.8,
    seed: Annotated[int, "Seeds the first weights and the sample."] = 0,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train a character model on a text, measure it on the text's end, and let it write.

    What it takes and raises is said in `vgcore.experiments.base`; ``minutes``
    and ``temperature`` are above 0.
    """
    usual_epochs, usual_units = (10, 256) if _validate.boolean("full", full) else (2, 96)
    epochs = usual_epochs if epochs is None else _validate.integer("epochs", epochs, minimum=1)
    units = usual_units if units is None else _validate.integer("units", units, minimum=1)
    minutes = _validate.real("minutes", minutes, above=0)
    temperature = _validate.real("temperature", temperature, above=0)
    seed = _validate.integer("seed", seed, minimum=0)
    text, training, tail = _read(file)
    vocabulary = len(text.characters)
    steps = len(training[0]) // STREAMS
    model = network(vocabulary, units, seed)
    start = reach(model, *tail)
    kept = Keep(keep, "text", data=[file], seed=seed, epochs=epochs, units=units)
    reading = _Reading(
        kept, tail, epochs, steps, monotonic() + 60 * minutes, keep is not None, meter
    )
    trained = kept.fit(
        "model",
        model,
        *training,
        epochs=epochs,
        batch_size=STREAMS,
        shuffle=False,
        track=GradientFlow(every=max(1, epochs * steps // _RECORDS)),
        callbacks=[reading],
    )
    model, flow = trained.model, trained.flow
    assert flow is not None
    newline = max(0, text.characters.find("\n"))
    return Result(
        flow,
        list(flow.time),
        [loss / math.log(2) for loss in trained.history["loss"]],
        [reading.held_out(epoch) for epoch in range(len(trained.history["loss"]))],
        vocabulary,
        (training[0].size, tail[0].size),
        _frequencies(training[1], tail[1], vocabulary),
        start,
        reach(model, *tail),
        text.decode(sample(model, newline, temperature, np.random.default_rng(seed), meter)),
        temperature,
        model.step == epochs * steps,
    )


@dataclass(frozen=True)
class _Score:
    """Bits per held-out character."""

    bits: float


class _Reading(Callback):
    """An epoch: at a lower rate, the text from its beginning, then its end, while there is time."""

    every_steps = 0

    def __init__(
        self,
        kept: Keep,
        tail: tuple[Array, Array],
        epochs: int,
        steps: int,
        deadline: float,
        whole: bool,
        meter: Meter,
    ) -> None:
        self._kept, self._tail, self._meter = kept, tail, meter
        self._whole = whole  # epochs: what is kept is no part of one
        self._epochs, self._steps, self._deadline = epochs, steps, deadline
        self._scores: dict[int, float] = {}

    def on_train_begin(self, model: Sequential) -> None:
        self._model = model

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self._model.optimizer.learning_rate = _LEARNING_RATE * (1 - epoch / self._epochs)
        self._model.reset_states()

    def on_progress(self, progress: Progress) -> bool:
        self._meter("training", self._model.step, self._epochs * self._steps)
        return not self._whole and monotonic() > self._deadline

    def on_epoch_end(self, epoch: int, logs: Any) -> bool:
        self._scores[epoch] = self._kept.part(
            f"held-out-{epoch + 1}", _Score, lambda: _Score(bits(self._model, *self._tail))
        ).bits
        return monotonic() > self._deadline

    def held_out(self, epoch: int) -> float:
        """The score after an epoch, which may be one of an earlier run."""
        if epoch not in self._scores:
            self.on_epoch_end(epoch, {})  # is read: it was kept before the training was
        return self._scores[epoch]


def _read(file: Path) -> tuple[data.Text, tuple[Array, Array], tuple[Array, Array]]:
    """The text, and its beginning and its end as streams."""
    with reading("file", file):
        text = data.text(file)
    shortest = 10 * (STREAMS * WINDOW + 1)
    if len(text.codes) < shortest:
        raise ValueError(
            f"file: expected a text of at least {shortest:,} characters, for {STREAMS} streams in its "
            f"last tenth; got {file} with {len(text.codes):,}"
        )
    training, tail = (
        data.streams(part, WINDOW, STREAMS) for part in data.split_tail(text.codes, held_out=0.1)
    )
    return text, training, tail


def network(vocabulary: int, units: int, seed: int) -> Sequential:
    """A new model, compiled; its states are carried along."""
    model = Sequential(
        [
            Embedding(vocabulary, _EMBEDDED),
            *(LSTM(units, return_sequences=True, stateful=True) for _ in range(2)),
            Dense(vocabulary, "softmax"),
        ],
        input_shape=(None,),
        seed=seed,
    )
    optimizer = Adam(_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    model.compile("sparse_categorical_crossentropy", optimizer, clip_norm=_CLIP_NORM)
    return model


def bits(model: Sequential, x: Array, y: Array) -> float:
    """Mean cross-entropy of streams, in bits per character; states are carried along them."""
    model.reset_states()
    total = 0.0
    for begin in range(0, len(x), STREAMS):
        window = slice(begin, begin + STREAMS)
        odds = np.take_along_axis(model.predict(x[window]), y[window, :, np.newaxis], axis=2)
        total -= float(np.log2(np.maximum(odds, _TINY)).sum(dtype=float))
    return total / x.size


def reach(model: Sequential, x: Array, y: Array) -> dict[str, Array]:
    """Norms of the gradient of the last character's loss at the hidden states of a window, by layer.

    Of the first windows of all streams, which begin without a state.
    """
    x, y = x[:STREAMS], y[:STREAMS]
    last = np.zeros(x.shape, np.float32)
    last[:, -1] = 1
    model.reset_states()
    flow = model.gradient_flow(x, y, sample_weight=last)
    model.reset_states()
    return {layer: np.asarray(norms[0]) for layer, norms in flow.time.items()}


def _back(norms: Array, share: float) -> str:
    """How many characters before the last a gradient is first below a share of what it is there."""
    below = np.flatnonzero(norms[::-1] < share * norms[-1])
    return f"{below[0]}" if len(below) else f"over {len(norms) - 1}"


def _frequencies(training: Array, tail: Array, vocabulary: int) -> float:
    """Bits per character of the tail by its frequency in training, where each is counted once more."""
    counts = 1 + np.bincount(training.ravel(), minlength=vocabulary)
    return float(-np.log2(counts / counts.sum())[tail].mean())


def sample(
    model: Sequential, start: int, temperature: float, rng: np.random.Generator, meter: Meter
) -> list[int]:
    """Let the model write: each character drawn from its odds and read as the next one.

    The odds are taken to the power of 1 / temperature. ``start`` is the character before the first.
    """
    model.reset_states()
    codes = [start]
    for count in range(SAMPLE):
        odds = model.predict([codes[-1:]])[0, 0].astype(float)
        logits = np.log(np.maximum(odds, _TINY)) / temperature
        odds = np.exp(logits - logits.max())
        codes.append(int(rng.choice(len(odds), p=odds / odds.sum())))
        meter("writing", count + 1, SAMPLE)
    return codes[1:]
