"""Learning to forget (Gers, Schmidhuber and Cummins 2000).

Strings of the embedded Reber grammar follow each other without an end or a mark, and each next symbol is to
be told. The LSTM of 1997 has no forget gate, c_t = c_{t-1} + i g: unless somebody resets it between strings
its state grows without bound. Of 100 networks with 8 cells (table 2) the paper's standard LSTM solved none
perfectly, 74 % where it was reset from outside; with forget gates 18 % did without that, and 62 % with a
learning rate that decays. A stream ends with the first wrong prediction; perfect are networks that make none
in 10 streams of 100,000 symbols, good those that make their first one after more than 1,000. Figures 5 to 7
show the state that grows linearly, and gates that are open within a string and shut at its end.

Here as many cells are trained, 20 networks of each kind, and judged on as many streams. A prediction is right
where the symbols that may come are the most active ones (the criterion of Hochreiter and Schmidhuber 1997;
in this paper the errors of all outputs have to be below 0.49). The standard LSTM is one whose forget gate has
a bias of 100: its sigmoid is exactly 1 in float32 and has no slope, so that gate stays open. What differs,
too: the full gradient over windows of 50 symbols through a softmax and Adam, rather than truncated, symbol by
symbol, with gradient descent; one cell to a gate; no direct connections from the input to the output; streams
to train on end after 500 symbols, not with an error.

With any of the seeds 0 to 4, and streams a tenth as long as the paper's, 0 or 1 of 20 standard LSTMs make no
error, 10 to 14 that are reset, 6 to 15 with forget gates. Every state of a standard LSTM grows as t to the
power of 1.00, and yet 1 to 6 of 20 get past a thousand symbols (in the paper, one of 100): the full gradient
finds what still works then. On streams of 100,000 symbols fewer are perfect, 1 to 7 of 20 with forget gates,
for words of more than 50 symbols come up, which were hardly trained on; with six times the training, 7 of
10 are, and so are 2 of 10 standard ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base, reber, side_by_side
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.keep import Keep
from vgcore.layers import LSTM, Dense
from vgcore.model import Sequential
from vgcore.optimizers import Adam
from vgcore.schedules import Cosine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float64 = NDArray[np.float64]

ABOUT = About(
    "An endless stream of strings: LSTMs without a forget gate, reset from outside, and with one",
    "F. A. Gers, J. Schmidhuber, F. Cummins, Learning to forget: continual prediction with LSTM, Neural "
    "Computation 12 (2000), experiment 1, table 2, figures 5 to 7",
)

KINDS = {"standard": 0, "reset": 74, "forget gate": 62}
"""Kinds of LSTM, and how many of 100 solve the task perfectly in the paper."""

_OPEN = 100.0  # a bias at which the gate is exactly 1, and its slope 0
_STREAM, _WINDOW, _BATCH_SIZE = 500, 50, 16
_LEARNING_RATE, _CLIP_NORM = 0.02, 1.0
_JUDGED_ON, _PUBLISHED_ON, _CHUNK, _GOOD = 10, 100_000, 5_000, 1_000
_SHOWN = 45  # symbols of the picture of a cell
_WORDS = {"standard": "no forget gate", "reset": "the same, reset", "forget gate": "forget gate"}
_COLOURS = {"standard": "#d55e00", "reset": "#e69f00", "forget gate": "#0072b2"}  # of Okabe and Ito


class _Scale(NamedTuple):
    networks: int
    streams: int
    epochs: int
    judged: int
    units: int = 8


DEFAULT = _Scale(networks=20, streams=64, epochs=40, judged=10_000)
FULL = _Scale(networks=100, streams=256, epochs=40, judged=100_000)


@dataclass(frozen=True)
class Kind:
    """What networks of one kind came to.

    Attributes
    ----------
    name : str
        A key of `KINDS`.
    right : ndarray of int64, (networks, streams)
        Symbols of each stream before the first wrong prediction.
    size : ndarray, (networks, time)
        The largest absolute state of a cell, mean of the streams, over their first symbols.
    inside, between : ndarray, (networks, units)
        The forget gate of each cell within strings (median), and at a string's end or the next one's start,
        whichever is less (mean).
    best : int
        The network that got farthest, of several the one whose gates are clearest.
    cell, gate : ndarray, (time, units)
        Its states and forget gates along the first symbols of a stream.
    """

    name: str
    right: NDArray[np.int64]
    size: Float64
    inside: Float64
    between: Float64
    best: int
    cell: Float64
    gate: Float64

    def perfect(self, judged: int) -> int:
        """How many networks make no error."""
        return int(np.sum(np.all(self.right == judged, axis=1)))

    @property
    def good(self) -> int:
        """How many networks make their first error after more than 1,000 symbols, on average."""
        return int(np.sum(self.right.mean(axis=1) > _GOOD))

    @property
    def growth(self) -> Float64:
        """The power of time that the state grows with behind the first hundred symbols; one each network."""
        time = np.arange(1, self.size.shape[1] + 1)
        behind = slice(min(100, len(time) // 2), None)
        slopes: Float64 = np.polyfit(np.log(time[behind]), np.log(self.size[:, behind]).T, 1)[0]
        return slopes

    @property
    def resetting(self) -> tuple[NDArray[np.int64], Float64, Float64]:
        """Of each network the cell whose gate differs most, and its gate within and between strings."""
        cell = np.argmax(self.inside - self.between, axis=1)
        rows = np.arange(len(cell))
        return cell, self.inside[rows, cell], self.between[rows, cell]


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured: a `Kind` each, the streams they were judged on, and how long these are."""

    kinds: list[Kind]
    first: NDArray[np.bool_]
    judged: int

    def claims(self) -> list[Claim]:
        """Who solves the task, what becomes of the state, and what gates do."""
        standard, _, gated = self.kinds
        count = len(gated.right)
        solved = {kind.name: kind.perfect(self.judged) for kind in self.kinds}
        grows, stays = (float(np.median(kind.growth)) for kind in (standard, gated))
        _, inside, between = gated.resetting
        within, at_ends = float(np.median(inside)), float(np.median(between))
        otherwise = (
            f"trained otherwise (the full gradient, Adam); {count} networks of each kind, not 100"
        )
        if self.judged < _PUBLISHED_ON:
            otherwise += (
                f", judged on {self.judged:,} symbols a stream, not {_PUBLISHED_ON:,}, in which more "
                "networks make an error"
            )
        return [
            Claim(
                "The standard LSTM cannot solve the continual task",
                "0 % perfect, 1 % good",
                f"{solved['standard'] / count:.0%} perfect, {standard.good / count:.0%} good",
                verdict(False, solved["standard"] < solved["forget gate"] / 2),
                f"{standard.good / count:.0%} get past {_GOOD:,} symbols with a state that grows, not 1 %: "
                f"{otherwise}",
            ),
            Claim(
                "The same LSTM solves it where its state is reset between strings",
                "74 % perfect",
                f"{solved['reset'] / count:.0%}",
                verdict(False, solved["reset"] > 2 * solved["standard"]),
                otherwise,
            ),
            Claim(
                "With forget gates it needs nobody to reset it",
                "62 % perfect, with a learning rate that decays",
                f"{solved['forget gate'] / count:.0%}, {gated.good / count:.0%} good",
                verdict(False, solved["forget gate"] > 2 * solved["standard"]),
                otherwise,
            ),
            Claim(
                "Without forget gates the state grows linearly, with them it stays bounded",
                "as t, and as 1",
                f"as t^{grows:.2f}, and as t^{stays:.2f} (medians)",
                verdict(abs(grows - 1) < 0.1 and abs(stays) < 0.1, grows > 0.5 > stays),
            ),
            Claim(
                "Forget gates are open within strings and shut between them",
                "near 1, near 0",
                f"{within:.2f}, {at_ends:.2f} (of each network's cell that does so most; medians)",
                verdict(within > 0.75 and at_ends < 0.25, within > 0.5 > at_ends),
            ),
        ]

    def tables(self) -> list[Table]:
        """A row a kind."""
        rows = []
        for kind in self.kinds:
            count, firsts = len(kind.right), kind.right.mean(axis=1)
            perfect = kind.perfect(self.judged)
            rows.append(
                (
                    kind.name,
                    f"{perfect} of {count}",
                    f"{KINDS[kind.name]} %",
                    f"{kind.good} of {count}",
                    "none" if np.median(firsts) == self.judged else f"{np.median(firsts):,.0f}",
                    "–" if kind.name == "reset" else f"{np.median(kind.growth):.3f}",
                )
            )
        columns = "LSTM", "perfect", "published", "good", "first error", "growth"
        return [Table(f"{_JUDGED_ON} streams of {self.judged:,} symbols", columns, rows)]

    def notes(self) -> list[str]:
        """How to read the columns."""
        return [
            f"perfect: no error in {_JUDGED_ON} streams; good: more than {_GOOD:,} symbols before the first "
            "one, mean of the streams. first error: median of the networks; none, where more than half have "
            "none. growth: of the largest state, as a power of time.",
            "Between strings nothing is marked but by the symbols themselves: when to forget is learned.",
        ]

    def picture(self) -> Figure:
        """How far networks get, what becomes of their states, and what one gate does."""
        figure = plot.blank(13.5, 4.4)
        far, size, cell = figure.subplots(1, 3)
        for kind in self.kinds:
            colour = _COLOURS[kind.name]
            firsts = np.sort(kind.right.min(axis=1))
            wrong = firsts[firsts < self.judged]
            left = 1 - np.arange(len(wrong) + 1) / len(firsts)
            places = [1, *np.maximum(wrong, 1), self.judged]
            label = f"{_WORDS[kind.name]}: {left[-1]:.0%} to the end"
            look = {"color": colour, "linewidth": 2, "label": label}
            far.step(places, [*left, left[-1]], where="post", **look)
            if kind.name != "reset":
                time = np.arange(1, kind.size.shape[1] + 1)
                size.loglog(time, kind.size.T, color=colour, alpha=0.3, linewidth=0.8)
        far.set(xscale="log", xlim=(1, self.judged), ylim=(-0.03, 1.45), xlabel="symbols read")
        far.set(ylabel="networks without an error so far", title="who gets through the stream")
        far.set_yticks(np.linspace(0, 1, 6))
        far.yaxis.set_major_formatter("{x:.0%}")
        far.legend(loc="upper center", fontsize="small")
        size.set(
            xlabel="symbols read", ylabel=r"$\max_j\,|c_{t,j}|$", title="its state: each network"
        )
        for ax in (far, size):
            ax.grid(alpha=0.3)
        self._draw_cell(cell)
        figure.suptitle(
            "An endless stream: the state grows until the LSTM fails, unless it learns to forget"
        )
        return figure

    def _draw_cell(self, ax: Axes) -> None:
        """State and gate of one cell that resets itself, over a few strings."""
        gated = self.kinds[-1]
        column = int(gated.resetting[0][gated.best])
        time = np.arange(min(_SHOWN, len(gated.cell)))
        state = gated.cell[: len(time), column]
        ax.plot(time, state / np.abs(state).max(), color="0.6", label="its state, relative")
        ax.plot(
            time, gated.gate[: len(time), column], color=_COLOURS["forget gate"], label="its gate"
        )
        starts = np.flatnonzero(self.first[0, : len(time)])
        for number, start in enumerate(starts.tolist()):
            label = "a string begins" if number == 0 else None
            ax.axvline(start, color="black", linestyle=":", linewidth=0.9, label=label)
        ax.set(xlabel="symbols read", title="one cell that learned to forget", ylim=(-1.1, 1.5))
        ax.legend(loc="upper center", ncols=3, fontsize="small", handlelength=1.2, columnspacing=1)
        ax.grid(alpha=0.3)


def run(
    full: Annotated[bool, "As many networks as in the paper, trained for longer."] = False,
    keep: KeepFolder = None,
    seed: Annotated[int, "Seeds the streams and the first weights."] = 0,
    meter: Meter = silent,
) -> Result:
    """Train LSTMs without and with forget gates on an endless stream of strings.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("seed", seed, minimum=0)
    _validate.boolean("full", full)
    kept = Keep(keep, "forget_gate", seed=seed, full=full)
    return compared(FULL if full else DEFAULT, seed, kept, meter)


def compared(scale: _Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """All kinds at one scale."""
    streams = reber.streams(scale.streams, _STREAM + 1, 2 * seed)
    judged_on = reber.streams(_JUDGED_ON, scale.judged + 1, 2 * seed + 1)
    kinds = []
    for name in KINDS:

        def work(name: str = name) -> Kind:
            models = _trained(name, scale, seed, streams, meter)
            return _judged(name, models, judged_on, meter)

        kinds.append(kept.part(name.replace(" ", "-"), Kind, work))
    return Result(kinds, judged_on.first[:, :_CHUNK], scale.judged)


def network(name: str, units: int, steps: int, seed: int) -> Sequential:
    """An LSTM of one kind and a softmax over the symbols."""
    cell = LSTM(units, return_sequences=True, name="cell")
    symbols = len(reber.SYMBOLS)
    model = Sequential([cell, Dense(symbols, "softmax")], input_shape=(None, symbols), seed=seed)
    if name != "forget gate":
        cell.bias_ih[units : 2 * units] = _OPEN  # of i, f, g, o
    model.compile(
        "sparse_categorical_crossentropy",
        Adam(Cosine(_LEARNING_RATE, steps)),
        clip_norm=_CLIP_NORM,
        tbptt=None if name == "reset" else _WINDOW,
    )
    return model


def _trained(
    name: str, scale: _Scale, seed: int, streams: reber.Streams, meter: Meter
) -> list[Sequential]:
    """Networks of one kind, which take as many steps as those of the others."""
    steps = scale.epochs * (scale.streams // _BATCH_SIZE) * (_STREAM // _WINDOW)
    options: dict[str, Any] = {"epochs": scale.epochs, "batch_size": _BATCH_SIZE}
    if name == "reset":
        streams, lengths = reber.strings(streams)
        batch_size = len(lengths) * scale.epochs // steps
        options = {"epochs": scale.epochs, "batch_size": batch_size, "lengths": lengths - 1}
    seeds = range(scale.networks * seed, scale.networks * (seed + 1))
    models = [network(name, scale.units, steps, each) for each in seeds]
    side_by_side.train(
        models, streams.x, streams.y, part=f"{name}: training", meter=meter, **options
    )
    return models


def right(odds: NDArray[Any], legal: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the symbols that may come are the most active ones."""
    least, most = np.where(legal, odds, np.inf).min(-1), np.where(legal, -np.inf, odds).max(-1)
    correct: NDArray[np.bool_] = least > most
    return correct


def _judged(name: str, models: list[Sequential], streams: reber.Streams, meter: Meter) -> Kind:
    """How far networks get, and what is inside them on the way."""
    x = streams.x
    early = x[:, :_CHUNK]
    firsts, sizes, insides, betweens, looks = [], [], [], [], []
    for number, model in enumerate(models):
        firsts.append(_apart(model, streams) if name == "reset" else _on_and_on(model, x, streams))
        cell = model.internals(early, layers="cell")["cell"]
        assert cell.c is not None
        gate = cell.gates["f"]
        sizes.append(np.abs(cell.c).max(axis=2).mean(axis=0))
        inside, between = _gates(gate, streams.first[:, : gate.shape[1] + 1])
        insides.append(inside)
        betweens.append(between)
        looks.append((cell.c[0, :_CHUNK], gate[0, :_CHUNK]))
        meter(f"{name}: judging", number + 1, len(models))
    clear = [np.max(a - b) for a, b in zip(insides, betweens, strict=True)]
    best = max(range(len(models)), key=lambda number: (firsts[number].min(), clear[number]))
    return Kind(
        name,
        np.array(firsts),
        np.array(sizes, float),
        np.array(insides, float),
        np.array(betweens, float),
        best,
        *(part.astype(float) for part in looks[best]),
    )


def _on_and_on(model: Sequential, x: NDArray[Any], streams: reber.Streams) -> NDArray[np.int64]:
    """Symbols of each stream before the first wrong prediction, the state carried along."""
    length = x.shape[1]
    first = np.full(len(x), length)
    states = None
    for begin in range(0, length, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        odds, states = model.predict(x[:, part], initial_state=states, return_state=True)
        wrong = ~right(odds, streams.legal[:, 1:][:, part])
        new = wrong.any(axis=1) & (first == length)
        first[new] = begin + wrong[new].argmax(axis=1)
        if np.all(first < length):
            break
    return first


def _apart(model: Sequential, streams: reber.Streams) -> NDArray[np.int64]:
    """The same, each string from a fresh state; what follows a string's end is not asked for."""
    firsts = []
    for row in range(len(streams.codes)):
        apart, lengths = reber.strings(streams, slice(row, row + 1))
        odds = model.predict(apart.x, lengths=lengths - 1)
        asked = np.arange(odds.shape[1]) < lengths[:, np.newaxis] - 1
        wrong = np.flatnonzero(np.any(~right(odds, apart.legal[:, 1:]) & asked, axis=1))
        where = lengths[: wrong[0]].sum() if len(wrong) else streams.codes.shape[1] - 1
        firsts.append(int(where))
    return np.array(firsts)


def _gates(gate: NDArray[Any], first: NDArray[np.bool_]) -> tuple[Float64, Float64]:
    """Forget gates (rows, time, units) within strings, and at their ends or starts."""
    begins, ends = first[:, :-1], first[:, 1:]
    inside = ~(begins | ends)
    at_either = [gate[where].mean(axis=0, dtype=float) for where in (begins, ends)]
    return np.median(gate[inside], axis=0).astype(float), np.minimum(*at_either)
