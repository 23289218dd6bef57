"""Temporal order, experiment 6a of Hochreiter and Schmidhuber 1997: an LSTM tells the order of two distant
symbols.

Sequences of 100 to 110 random symbols hold two that matter, each X or Y, the first between steps 10 and 20,
the second between 50 and 60; at the end the network tells which of the four pairs it was. In the paper
(section 5.6, table 9, means of 20 trials) an LSTM of two blocks of two cells learns it after 31,390
sequences, and then processes 1 of 2,560 test sequences wrongly, never more than 3; a sequence is right where
every output is within 0.3 of its target, and a training ends when 2,000 sequences in a row are, with a mean
error below 0.1. Tasks of this kind, it says, no earlier recurrent network has solved.

Here sequences have 105 symbols, and an LSTM of today (64 units, forget gates with a bias of 1, Adam with
0.001, clipping) is trained on new sequences until 2,000 of them that it has not seen give the right class a
probability of 0.7 at least, or 100,000 are used up. A simple recurrent network of as many units gets as many
as the paper's LSTM needed. From the seeds 0 to 4, at each of three CPU levels, 44 of 45 LSTMs learned it,
after 8,000 to 13,333 sequences in the mean of three, and one stayed at chance; all simple networks did.
(LSTMs whose forget gates start with a bias of 3 or 5, closer to the paper's, which has no such gates, learned
later, or not at all.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, data, plot
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.keep import Keep
from vgcore.flow import GradientFlow
from vgcore.layers import LSTM, RNN, Dense, Layer
from vgcore.model import Sequential
from vgcore.optimizers import Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float32]

ABOUT = About(
    "Temporal order: an LSTM tells the order of two distant symbols, a simple network does not",
    "S. Hochreiter, J. Schmidhuber, Neural Computation 9 (1997), section 5.6, experiment 6a, table 9",
)

PUBLISHED_SEQUENCES, PUBLISHED_WRONG = 31_390, 1
CELLS = "LSTM", "RNN"
_LENGTH, _CLASSES, _SYMBOLS = 105, 4, 8
_IN_A_ROW, _TESTED = 2_000, 2_560
_SURE = 0.7  # a probability of the right class that counts, as outputs within 0.3 of their target
_BATCH_SIZE, _RATE, _CLIP_NORM = 16, 1e-3, 1.0
_MEASURED = 128  # test sequences that a gradient is measured on
_COLOURS = {"LSTM": "#0072b2", "RNN": "#d55e00"}  # of Okabe and Ito


class Scale(NamedTuple):
    """Units of a cell, trials of each, and how many lots of 2,000 sequences each of `CELLS` gets at most."""

    units: int
    trials: int
    lots: tuple[int, int]


DEFAULT = Scale(units=64, trials=3, lots=(50, 16))
FULL = Scale(units=64, trials=20, lots=(100, 100))


@dataclass(frozen=True)
class Trial:
    """One network's training.

    Attributes
    ----------
    wrong : ndarray of int, (lots,)
        Of the 2,000 sequences of each lot, before training on them.
    learned : int
        Sequences trained on until all 2,000 were right; -1 where they never were.
    tested_wrong : int
        Of 2,560 test sequences, after training.
    accuracy : float
        Share of them whose likeliest class is the right one.
    before, after : GradientFlow
        One pass over test sequences.
    """

    wrong: NDArray[np.int64]
    learned: int
    tested_wrong: int
    accuracy: float
    before: GradientFlow
    after: GradientFlow


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """The trials of each of `CELLS`."""

    trials: dict[str, list[Trial]]

    def claims(self) -> list[Claim]:
        """What each cell learns, when, and how well."""
        lstm, rnn = (self.trials[cell] for cell in CELLS)
        learned = [trial.learned for trial in lstm if trial.learned >= 0]
        mean = float(np.mean(learned)) if learned else np.inf
        wrong = [trial.tested_wrong for trial in lstm if trial.learned >= 0]
        mean_wrong = float(np.mean(wrong)) if wrong else np.inf
        failed = [trial for trial in rnn if trial.learned < 0]
        chance = 1 / _CLASSES
        best = max(trial.accuracy for trial in rnn)
        return [
            Claim(
                "The LSTM learns it in every trial",
                "20 of 20",
                f"{len(learned)} of {len(lstm)}",
                verdict(len(learned) == len(lstm), 2 * len(learned) > len(lstm)),
            ),
            Claim(
                "Training sequences until 2,000 in a row are right",
                f"{PUBLISHED_SEQUENCES:,} on average",
                f"{mean:,.0f} on average",
                verdict(0.8 < mean / PUBLISHED_SEQUENCES < 1.25, mean <= 2 * PUBLISHED_SEQUENCES),
                "64 units with forget gates and Adam, not two blocks of two cells and plain descent",
            ),
            Claim(
                f"Test sequences that one that has learned it gets wrong, of {_TESTED:,}",
                f"{PUBLISHED_WRONG} on average, 3 at most",
                f"{mean_wrong:.1f} on average, {max(wrong, default=_TESTED)} at most",
                verdict(max(wrong, default=_TESTED) <= 3, mean_wrong < 0.01 * _TESTED),
            ),
            Claim(
                "A simple recurrent network does not learn it in as many sequences",
                "not solved before",
                f"{len(failed)} of {len(rnn)} fail; the likeliest class is right in {best:.0%} at best "
                f"(chance: {chance:.0%})",
                verdict(len(failed) == len(rnn) and best < 2 * chance, bool(failed)),
            ),
        ]

    def tables(self) -> list[Table]:
        """A row a trial."""
        rows = [
            (
                f"{cell}, trial {number + 1}",
                f"{trial.learned:,}" if trial.learned >= 0 else "never",
                f"{trial.tested_wrong:,}",
                f"{trial.before.time_rate('cell').factor[0]:.3f}",
                f"{trial.after.time_rate('cell').factor[0]:.3f}",
            )
            for cell, trials in self.trials.items()
            for number, trial in enumerate(trials)
        ]
        return [
            Table(
                f"Temporal order over {_LENGTH} symbols",
                (
                    "network",
                    "learned after",
                    f"wrong of {_TESTED:,}",
                    "factor before",
                    "factor after",
                ),
                rows,
            )
        ]

    def notes(self) -> list[str]:
        """How to read it."""
        return [
            f"Right: the class has a probability of {_SURE:g} at least. Factor: what one timestep on its way "
            "back multiplies the gradient of the hidden state by, before and after training.",
        ]

    def picture(self) -> Figure:
        """What is wrong against the sequences seen, and how far back the gradient reaches."""
        figure = plot.blank(11, 4)
        course, reach = figure.subplots(1, 2)
        for cell, trials in self.trials.items():
            for number, trial in enumerate(trials):
                label = cell if number == 0 else None
                seen = _IN_A_ROW / 1000 * np.arange(len(trial.wrong))
                course.plot(
                    seen, trial.wrong / _IN_A_ROW, color=_COLOURS[cell], marker=".", label=label
                )
            for moment, style in (("before", ":"), ("after", "-")):
                norms = getattr(trials[0], moment).time["cell"][0]
                label = f"{cell}, {moment} training"
                reach.plot(norms / norms[-1], color=_COLOURS[cell], linestyle=style, label=label)
        course.axvline(PUBLISHED_SEQUENCES / 1000, color="0.6", linestyle="--", linewidth=1)
        course.text(
            PUBLISHED_SEQUENCES / 1000, 0.15, "LSTM of 1997 ", ha="right", va="center", color="0.4"
        )
        course.set(xlabel="sequences trained on, thousands", ylabel="wrong", ylim=(-0.02, 1.05))
        course.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        course.legend(loc="center right")
        for low, high in ((10, 20), (50, 60)):
            span = low * _LENGTH / 100, high * _LENGTH / 100
            reach.axvspan(*span, color="0.92", zorder=0)
        reach.set(yscale="log", xlabel="timestep $t$ (grey: where the two symbols stand)")
        reach.set_ylabel(r"$\|\partial L/\partial h_t\|_2\,/\,\|\partial L/\partial h_T\|_2$")
        reach.legend()
        figure.suptitle("Temporal order of two symbols among a hundred")
        return figure


def run(
    seed: Annotated[int, "Seeds the sequences and the networks."] = 0,
    full: Annotated[bool, "20 trials, and up to 200,000 sequences."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train LSTMs and simple recurrent networks to tell the order of two distant symbols.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("seed", seed, minimum=0)
    _validate.boolean("full", full)
    kept = Keep(keep, "temporal_order_6a", seed=seed, full=full)
    return compare(FULL if full else DEFAULT, seed, kept, meter)


def compare(scale: Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """Train ``scale.trials`` networks of each cell on the same sequences."""
    trials: dict[str, list[Trial]] = {cell: [] for cell in CELLS}
    for cell, lots in zip(CELLS, scale.lots, strict=True):
        for number in range(scale.trials):
            name = f"{cell}-{number}"

            def work(cell: str = cell, lots: int = lots, number: int = number) -> Trial:
                return train(network(cell, scale.units, scale.trials * seed + number), seed, lots)

            trials[cell].append(kept.part(name, Trial, work))
            meter(f"{cell}: trials", number + 1, scale.trials)
    return Result(trials)


def network(cell: str, units: int, seed: int) -> Sequential:
    """A recurrent layer and a softmax, compiled."""
    layer: Layer = (
        LSTM(units, unit_forget_bias=True, name="cell")
        if cell == "LSTM"
        else RNN(units, name="cell")
    )
    model = Sequential([layer, Dense(_CLASSES, "softmax")], input_shape=(None, _SYMBOLS), seed=seed)
    model.compile("sparse_categorical_crossentropy", Adam(_RATE), clip_norm=_CLIP_NORM)
    return model


def lot(seed: int, number: int, size: int = _IN_A_ROW) -> tuple[Array, NDArray[np.int64]]:
    """The sequences that an experiment's ``seed`` gives to the lot of a ``number``."""
    own = int(np.random.default_rng((seed, number)).integers(2**31))
    return data.temporal_order(size, _LENGTH, "6a", own)


def train(model: Sequential, seed: int, lots: int) -> Trial:
    """Train on one lot of sequences after the other, until all of the next are right at first sight."""
    test = lot(seed, 0, _TESTED)
    measured = test[0][:_MEASURED], test[1][:_MEASURED]
    before = model.gradient_flow(*measured)
    wrong, learned = [], -1
    for number in range(lots):
        new = lot(seed, number + 1)
        wrong.append(_wrong(model, *new))
        if wrong[-1] == 0:
            learned = number * _IN_A_ROW
            break
        model.fit(*new, batch_size=_BATCH_SIZE, verbose=0)
    after = model.gradient_flow(*measured)
    return Trial(
        np.array(wrong),
        learned,
        _wrong(model, *test),
        model.evaluate(*test).accuracy,
        before,
        after,
    )


def _wrong(model: Sequential, x: Array, y: NDArray[np.int64]) -> int:
    odds = np.take_along_axis(model.predict(x), y[:, np.newaxis], axis=1)
    return int((odds < _SURE).sum())
