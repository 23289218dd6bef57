"""Makemore, part 3: a small character model whose start is wrong, and the fixes one after another.

A. Karpathy's lecture "Building makemore part 3: activations & gradients, BatchNorm" (2022): the next letter
of a name from the three before it, ten numbers a letter, 200 tanh units, 27 letters (the end is one); all
parameters start N(0, 1); 200,000 steps of plain gradient descent at 0.1, then 0.01. Its log of losses, of
32,033 names (train, validation):

- as it was, 2.12 and 2.17: the first loss is 27, where equal odds have ln 27 = 3.30;
- the output layer scaled down, 2.07 and 2.13: the first loss is 3.3, no steps are lost on it;
- W1 scaled down, too, 2.04 and 2.10: most tanh units were saturated;
- W1 by 5/3 / sqrt(fan in) instead of a number found by trying, 2.04 and 2.11;
- BatchNorm in front of the tanh, 2.07 and 2.10.

The fifth is a measure: a step's update over what it updates should be about 1e-3; far below, the rate is too
low.

Here the words are those of a text: of a file, or by default of Python's own reference (``pydoc_data``), three
thousand different ones, and steps are fewer. Such words are other than names, so losses are not the
lecture's; what each fix does is, with any of the seeds 0 to 4.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.data import text
from vgcore.experiments import base
from vgcore.experiments.base import (
    About,
    Claim,
    KeepFolder,
    Meter,
    Table,
    fit_callback,
    near,
    reading,
    silent,
    verdict,
)
from vgcore.experiments.keep import Keep
from vgcore.flow import GradientFlow
from vgcore.initializers import Normal
from vgcore.layers import BatchNorm, Dense, Embedding, Flatten, Layer
from vgcore.model import Sequential
from vgcore.optimizers import SGD
from vgcore.schedules import MultiStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

ABOUT = About(
    "Makemore 3: a first loss of 27, saturated units, and what each fix of the start does to the loss",
    "A. Karpathy, Neural networks: zero to hero, lecture 4, Building makemore part 3 (2022), log of losses",
)

LETTERS = ".abcdefghijklmnopqrstuvwxyz"
"""The first one ends a word, and stands in front of it."""

PUBLISHED = {
    "original": 2.168,
    "output": 2.13,
    "saturation": 2.103,
    "kaiming": 2.107,
    "batchnorm": 2.105,
}
"""The lecture's validation losses."""

_NAMES = {
    "original": "as it was",
    "output": "output scaled down",
    "saturation": "and W1 scaled down",
    "kaiming": "W1 by its gain",
    "batchnorm": "BatchNorm",
}
_COLOURS = dict(zip(_NAMES, ("#d55e00", "#e69f00", "#009e73", "#0072b2", "black"), strict=True))
_CONTEXT, _EMBEDDED, _UNITS, _BATCH_SIZE = 3, 10, 200, 32
_RATE, _SLOW = 0.1, 1e-3
_FIRST = 27.0  # the lecture's first loss
_UPDATE = 1e-3  # over data, at a good rate, as the lecture has it
_RECORDS = 200
_FEWEST = 100  # words


class Scale(NamedTuple):
    """Steps of training, those of a rate that is too low, and random starts whose first loss is taken."""

    steps: int
    slow: int
    draws: int


DEFAULT, FULL = Scale(20_000, 2_000, 20), Scale(200_000, 2_000, 20)


@dataclass(frozen=True)
class Course:
    """One start's course.

    Attributes
    ----------
    start : str
        A key of `PUBLISHED`.
    firsts : ndarray, (draws,)
        Losses of the training set before the first step; that of the network that is trained comes first.
    step, loss : ndarray, (recorded steps,)
        Of the training.
    saturated : ndarray, (recorded steps,)
        Share of the tanh units' outputs that are saturated; the first one before the first step.
    ratio : ndarray, (recorded steps, 2)
        A step's update over what it updates, of the weights of the hidden and of the output layer.
    train, held_out : float
        Losses after training.
    """

    start: str
    firsts: Array
    step: Array
    loss: Array
    saturated: Array
    ratio: Array
    train: float
    held_out: float


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: a `Course` a start, one of the fourth at a rate too low, and on which words."""

    courses: dict[str, Course]
    slow: Course
    words: int
    examples: int
    about: str

    def claims(self) -> list[Claim]:
        """What each of the five fixes does."""
        held_out = {start: course.held_out for start, course in self.courses.items()}
        original, output = self.courses["original"], self.courses["output"]
        odds = math.log(len(LETTERS))
        gain = held_out["output"] - held_out["saturation"]
        before, after = (
            float(self.courses[each].saturated[0]) for each in ("output", "saturation")
        )
        right, low = (
            float(np.median(each.ratio[: len(self.slow.step), 0]))
            for each in (self.courses["kaiming"], self.slow)
        )
        about, of_its_order = near(right, _UPDATE)
        late = slice(len(self.slow.step) // 2, len(self.slow.step))
        lows = [float(each.loss[late].mean()) for each in (self.courses["kaiming"], self.slow)]

        def differs(*starts: str) -> str:
            here, there = (of[starts[1]] - of[starts[0]] for of in (held_out, PUBLISHED))
            return f"{self.about} instead of names: {here:+.3f}, there {there:+.3f}"

        low_first, high_first = original.firsts.min(), original.firsts.max()
        return [
            Claim(
                "The output layer scaled down starts at equal odds, ln 27 = 3.30",
                "first loss 27, then 3.3",
                f"{original.firsts[0]:.1f} ({low_first:.1f} to {high_first:.1f} of {len(original.firsts)} "
                f"starts), then {output.firsts[0]:.2f}",
                verdict(
                    bool(low_first <= _FIRST <= high_first) and abs(output.firsts[0] - odds) < 0.05,
                    original.firsts[0] > 2 * odds > output.firsts[0],
                ),
            ),
            Claim(
                "and ends lower, for no steps are lost on it",
                _published("original", "output"),
                _held_out(held_out, "original", "output"),
                verdict(False, held_out["output"] < held_out["original"]),
                differs("original", "output"),
            ),
            Claim(
                "W1 scaled down, too, saturates few tanh units, and ends lower still",
                _published("output", "saturation"),
                f"{_held_out(held_out, 'output', 'saturation')}; saturated {before:.0%}, then {after:.0%}",
                verdict(False, gain > 0 and after < before / 2),
                differs("output", "saturation"),
            ),
            Claim(
                "The gain 5/3 / sqrt(fan in) does as well as what was found by trying",
                _published("saturation", "kaiming"),
                _held_out(held_out, "saturation", "kaiming"),
                verdict(False, abs(held_out["kaiming"] - held_out["saturation"]) < gain / 2),
                f"{differs('saturation', 'kaiming')}; as well: nearer than half of what W1's scale gained",
            ),
            Claim(
                "BatchNorm is no better where the start is right already",
                _published("kaiming", "batchnorm"),
                _held_out(held_out, "kaiming", "batchnorm"),
                verdict(False, held_out["batchnorm"] > held_out["kaiming"] - gain / 2),
                f"{differs('kaiming', 'batchnorm')}; no better: by less than half of what W1's scale gained",
            ),
            Claim(
                "Update over data is about 1e-3 at a good rate; far below, learning is too slow",
                "1e-3 at a rate of 0.1 (about: up to twice or half), far below at 0.001",
                f"{right:.1e} at {_RATE:g}, {low:.1e} at {_SLOW:g} (W1); losses meanwhile {lows[0]:.2f}, "
                f"{lows[1]:.2f}",
                verdict(about, of_its_order and low < _UPDATE / 10 and lows[0] < lows[1]),
                "" if about else f"{right / _UPDATE:.1f} times 1e-3: of its order, not about it",
            ),
        ]

    def tables(self) -> list[Table]:
        """Each start and its steps, then its losses beside the lecture's."""
        before = [
            (
                _NAMES[start],
                f"{each.firsts[0]:.2f}",
                f"{each.saturated[0]:.0%}",
                *(f"{ratio:.1e}" for ratio in np.median(each.ratio, axis=0)),
            )
            for start, each in self.courses.items()
        ]
        after = [
            (
                _NAMES[start],
                f"{each.train:.3f}",
                f"{each.held_out:.3f}",
                f"{PUBLISHED[start]:.3f}",
            )
            for start, each in self.courses.items()
        ]
        return [
            Table(
                "Before training, and update over data in it",
                ("start", "first loss", "saturated", "W1", "W2"),
                before,
            ),
            Table(
                f"Losses on {self.about}, and the lecture's on names",
                ("start", "training", "held out", "published"),
                after,
            ),
        ]

    def notes(self) -> list[str]:
        """On which words, and how to read it."""
        return [
            f"Words: {self.words:,} {self.about}; {self.examples:,} letters to train on, those of four "
            "words in five.",
            "Saturated: share of the tanh units' outputs that are. W1, W2: medians of update over data of "
            "the weights of the hidden and of the output layer.",
        ]

    def picture(self) -> Figure:
        """Losses in the course of training and after it; saturation and update over data."""
        figure = plot.blank(12, 8.4)
        (losses, ends), (saturations, ratios) = figure.subplots(2, 2)
        for start, each in self.courses.items():
            look: dict[str, Any] = {"color": _COLOURS[start], "label": _NAMES[start]}
            losses.plot(*_smooth(1 + each.step, each.loss), **look)
            saturations.plot(1 + each.step, each.saturated, **look)
        self._draw_ends(ends)
        for course, name, dashes in (
            (self.courses["kaiming"], f"rate {_RATE:g}", "-"),
            (self.slow, f"rate {_SLOW:g}", "--"),
        ):
            for layer, colour in enumerate(("#0072b2", "#56b4e9")):
                label = f"W{layer + 1}, {name}"
                ratios.plot(
                    1 + course.step, course.ratio[:, layer], dashes, color=colour, label=label
                )
        for ax, title in (
            (losses, "loss in training, averaged (grey: equal odds)"),
            (saturations, "share of tanh outputs saturated"),
            (ratios, f"update over data, W1 by its gain (grey: {_UPDATE:g})"),
        ):
            ax.set(title=title, xlabel="step", xscale="log")
        losses.axhline(math.log(len(LETTERS)), color="0.6", linewidth=1)
        losses.set(yscale="log", yticks=(2, 3, 5, 10, 20), yticklabels=(2, 3, 5, 10, 20))
        losses.minorticks_off()
        saturations.set_ylim(0, 1)
        ratios.axhline(_UPDATE, color="0.6", linewidth=1)
        ratios.set(yscale="log")
        ratios.legend(loc="lower left", ncols=2)
        losses.legend(loc="upper right")
        ratios.set_ylim(1e-7, 1)
        figure.suptitle("Makemore: a start put right, fix by fix")
        return figure

    def _draw_ends(self, ax: Axes) -> None:
        """Held-out losses after training, a row a start, beside the lecture's."""
        rows = range(len(self.courses))
        held_out = [each.held_out for each in self.courses.values()]
        ax.plot(held_out, rows, color="0.6", linewidth=1, zorder=1)
        ax.scatter(held_out, rows, 80, [_COLOURS[start] for start in self.courses], label="here")
        published = [PUBLISHED[start] for start in self.courses]
        ax.scatter(
            published,
            rows,
            60,
            "none",
            marker="D",
            edgecolors="0.4",
            label="the lecture's, of names",
        )
        ax.set_yticks(rows, [_NAMES[start] for start in self.courses])
        ax.set(title="held-out loss after training", xlabel="loss")
        ax.invert_yaxis()
        ax.legend(loc="lower right")


def run(
    file: Annotated[
        Path | None, "A text in UTF-8 whose words are learned. Left out, Python's own reference."
    ] = None,
    seed: Annotated[int, "Seeds which words are held out, and the first weights."] = 0,
    full: Annotated[bool, "200,000 steps for each start."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train a small character model from five starts, each with one more fix than the one before.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    return measured(file, FULL if full else DEFAULT, seed, keep, meter)


def measured(file: Path | None, scale: Scale, seed: int, keep: Path | None, meter: Meter) -> Result:
    """What `run` does, of any scale."""
    found = words(file)
    if len(found) < _FEWEST:
        raise ValueError(
            f"file: expected a text with at least {_FEWEST} different words of English letters, got {file} "
            f"with {len(found)}"
        )
    order = np.random.default_rng(seed).permutation(len(found))
    mixed = [found[place] for place in order]
    train, held_out = examples(mixed[: len(mixed) * 4 // 5]), examples(mixed[len(mixed) * 4 // 5 :])
    read = [] if file is None else [file]
    kept = Keep(keep, "makemore", seed=seed, scale=str(tuple(scale)), data=read)
    work = partial(
        _course, train=train, held_out=held_out, scale=scale, seed=seed, kept=kept, meter=meter
    )
    courses = {start: kept.part(start, Course, partial(work, start)) for start in PUBLISHED}
    slow = kept.part("slow", Course, partial(work, "kaiming", slow=True))
    about = "words of Python's reference" if file is None else f"words of {Path(file).name}"
    return Result(courses, slow, len(found), len(train[0]), about)


def words(file: Path | None) -> list[str]:
    """The different words of a text in English letters, two at least, in the order of the alphabet."""
    if file is None:
        from pydoc_data.topics import topics

        whole = " ".join(topics.values())
    else:
        with reading("file", file):
            read = text(file)
        whole = read.decode(read.codes)
    return sorted(set(re.findall("[a-z]{2,}", whole.lower())))


def examples(words: list[str]) -> tuple[Array, Array]:
    """Each letter of each word, and the end, (n,), and the three places in front of it, (n, 3)."""
    x, y = [], []
    for word in words:
        codes = [0] * _CONTEXT + [LETTERS.index(letter) for letter in word] + [0]
        for place in range(_CONTEXT, len(codes)):
            x.append(codes[place - _CONTEXT : place])
            y.append(codes[place])
    return np.array(x), np.array(y)


def network(start: str, seed: int) -> Sequential:
    """A new network, not compiled."""
    fan_in = _CONTEXT * _EMBEDDED
    scale = {"original": 1.0, "output": 1.0, "saturation": 0.2}.get(
        start, 5 / 3 / math.sqrt(fan_in)
    )
    bias = {"original": 1.0, "output": 1.0, "saturation": 0.01}.get(start, 0.0)
    share = 1.0 if start == "original" else 0.01
    first: dict[str, Any] = {"weight_initializer": Normal(0, scale), "name": "hidden"}
    hidden: list[Layer] = (
        [Dense(_UNITS, use_bias=False, **first), BatchNorm("tanh", momentum=0.001, name="tanh")]
        if start == "batchnorm"
        else [Dense(_UNITS, "tanh", bias_initializer=Normal(0, bias), **first)]
    )
    output = Dense(
        len(LETTERS),
        "softmax",
        weight_initializer=Normal(0, share),
        bias_initializer=Normal(0, 1.0 if start == "original" else 0.0),
        name="output",
    )
    letters = Embedding(len(LETTERS), _EMBEDDED, weight_initializer=Normal(0, 1), name="letters")
    return Sequential(
        [letters, Flatten(), *hidden, output], input_shape=(_CONTEXT,), dtype="float32", seed=seed
    )


def _course(
    start: str,
    *,
    train: tuple[Array, Array],
    held_out: tuple[Array, Array],
    scale: Scale,
    seed: int,
    kept: Keep,
    meter: Meter,
    slow: bool = False,
) -> Course:
    steps = scale.slow if slow else scale.steps
    epochs = -(-steps // -(-len(train[0]) // _BATCH_SIZE))
    rate = _SLOW if slow else MultiStep(_RATE, (steps // 2,))
    models = [network(start, scale.draws * seed + draw) for draw in range(scale.draws)]
    for model in models:
        model.compile("sparse_categorical_crossentropy", SGD(rate))
    before = [model.gradient_flow(*train) for model in models]
    name = f"{start}, slowly" if slow else start
    trained = kept.fit(
        name.replace(", ", "-"),
        models[0],
        *train,
        epochs=epochs,
        batch_size=_BATCH_SIZE,
        track=GradientFlow(every=max(1, scale.steps // _RECORDS)),
        callbacks=[fit_callback(meter, name)],
    )
    flow, model = trained.flow, trained.model
    assert flow is not None
    tanh = flow.layers.index("tanh" if start == "batchnorm" else "hidden")
    layers = [flow.layers.index(layer) for layer in ("hidden", "output")]
    return Course(
        start,
        np.array([float(each.loss[0]) for each in before]),
        np.asarray(flow.step),
        np.asarray(flow.loss),
        np.concatenate([before[0].saturated[:, tanh], flow.saturated[1:, tanh]]),
        np.asarray(flow.update_ratio[:, layers]),
        float(model.evaluate(*train).loss),
        float(model.evaluate(*held_out).loss),
    )


def _smooth(step: Array, loss: Array) -> tuple[Array, Array]:
    """Means over a tenth of a decade of steps."""
    place = np.floor(10 * np.log10(step)).astype(int)
    parts = [np.flatnonzero(place == each) for each in np.unique(place)]
    return (
        np.array([step[part].mean() for part in parts]),
        np.array([loss[part].mean() for part in parts]),
    )


def _published(*starts: str) -> str:
    return ", then ".join(f"{PUBLISHED[start]:.2f}" for start in starts)


def _held_out(losses: dict[str, float], *starts: str) -> str:
    return ", then ".join(f"{losses[start]:.3f}" for start in starts)
