"""The temporal order task, by gradient descent alone, clipped, and clipped with the regulariser Ω.

Pascanu, Mikolov and Bengio 2013, section 4.1.1 and figure 7: recurrent networks of 50 units tell in which
order two symbols came, one at the begin of a long sequence and one in its middle. Of five runs each, from
three starts (sigmoid, basic and smart tanh), the share is shown that comes below 1 % of wrong answers. Its
numbers are in the picture alone. The text says that clipping (SGD-C) matters the more, the longer the
sequences are, and that with Ω, too (SGD-CR), one network can learn all lengths from 50 to 200, in all of five
runs. An earlier version on arXiv (1211.5063) says more: beyond 20 steps neither gradient descent (SGD) nor
SGD-C can solve the task, and SGD-CR solves it in all runs up to 200.

Here the starts, the learning rate 0.01, the threshold 1 and minibatches of 20 new sequences are the paper's.
The factor 2 of Ω is that of the code that its authors have published; the paper has 4. Different are the
sequences, which have the begin and the end marked as in Hochreiter and Schmidhuber 1997, Ω, which is the sum
over time of eq. 9 where that code has a mean of squared norms, and how long is trained: 10,000 steps, with
``full`` 200,000, where the paper allows 5,000,000. From the smart start and the seeds 0 to 4, 20 runs in all,
SGD-CR solves all at 10 and 20 steps and half of them, 10, at 50; SGD and SGD-C solve all at 10, about half
at 20, and at 50 none and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.data import temporal_order
from vgcore.experiments import base
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.endless import Practised, practise
from vgcore.experiments.keep import Keep
from vgcore.experiments.streams import stream
from vgcore.layers import RNN, Dense
from vgcore.model import Sequential
from vgcore.optimizers import SGD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOUT = About(
    "Temporal order: what clipping and the regulariser of the gradient through time make learnable",
    "R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013, sections 3.3 and 4.1.1, figure 7; an earlier version, "
    "arXiv:1211.5063",
)

METHODS: dict[str, tuple[float | None, float]] = {
    "SGD": (None, 0.0),
    "SGD-C": (1.0, 0.0),
    "SGD-CR": (1.0, 2.0),
}
"""The largest norm of a gradient, and the factor of Ω."""

STARTS = {"sigmoid": 0.01, "basic tanh": 0.1, "smart tanh": 0.01}
"""Standard deviation of the weights."""

_LOOKS: dict[str, dict[str, Any]] = {
    "SGD": {"color": "#56b4e9", "marker": "o", "linewidth": 7, "markersize": 15},
    "SGD-C": {"color": "black", "marker": "s", "linestyle": "--", "markersize": 7},
    "SGD-CR": {"color": "#d55e00", "marker": "^", "markersize": 9, "linewidth": 2.2},
}
"""A line that lies under another one is seen at its sides."""

_RATE, _BATCH, _SOLVED = 0.01, 20, 0.01
_SHORT, _LONG = 20, 200  # up to which all can, and up to which the earlier version has Ω
_ALLOWED = 5_000_000  # steps of training, in the paper
_SMART = 15, 0.95  # weights of a unit that are not 0, and spectral radius


class Scale(NamedTuple):
    """How much is trained."""

    starts: tuple[str, ...]
    lengths: tuple[int, ...]
    units: int
    runs: int
    steps: int
    every: int
    held_out: int


DEFAULT = Scale(("smart tanh",), (10, 20, 50), 50, 4, 10_000, 1_000, 2_000)
FULL = Scale(tuple(STARTS), (10, 20, 50, 100, 150, 200, 250), 50, 5, 200_000, 2_000, 10_000)


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    starts : list of str
    lengths : ndarray, (T,)
    wrong : dict of str to ndarray, (starts, T, runs)
        Share of wrong answers at the end, by method.
    steps : dict of str to ndarray, (starts, T, runs)
        How many it took; all of them where it was not solved.
    """

    starts: list[str]
    lengths: NDArray[np.int64]
    wrong: dict[str, NDArray[np.float64]]
    steps: dict[str, NDArray[np.int64]]

    @property
    def success(self) -> dict[str, NDArray[np.float64]]:
        """Share of the runs that solve the task, (starts, T), by method."""
        return {method: (wrong < _SOLVED).mean(axis=2) for method, wrong in self.wrong.items()}

    def claims(self) -> list[Claim]:
        """What each method solves, and how far."""
        rates = {method: rate.mean(axis=0) for method, rate in self.success.items()}
        beyond = self.lengths > _SHORT
        plain = np.maximum(rates["SGD"], rates["SGD-C"])[beyond]
        late = {method: float(rate[beyond].mean()) for method, rate in rates.items()}
        above = late["SGD-CR"] > max(late["SGD"], late["SGD-C"])
        never = bool(plain.max() == 0)
        return [
            self._regular(
                f"With clipping and Ω every run solves it, up to {_SHORT} steps", ~beyond
            ),
            self._regular("and beyond, too", beyond & (self.lengths <= _LONG)),
            Claim(
                f"Without Ω it is not solved beyond {_SHORT} steps, clipped or not",
                f"0 % of the runs beyond {_SHORT} steps (earlier version)",
                f"SGD {self._said('SGD')}; SGD-C {self._said('SGD-C')}",
                verdict(self._reached and never, bool(plain.max() < 0.5)),
                self._why("" if never else f"{plain.max():.0%} of the runs solve it beyond"),
            ),
            Claim(
                f"Beyond {_SHORT} steps it is Ω, not clipping, that makes them learnable",
                "SGD-CR 100 %, SGD and SGD-C 0 % of the runs (earlier version)",
                ", ".join(f"{method} {share:.0%}" for method, share in late.items()),
                verdict(self._reached and late["SGD-CR"] == 1 and never, above),
                self._why("" if late["SGD-CR"] == 1 else f"{late['SGD-CR']:.0%} instead of all"),
            ),
        ]

    def _regular(self, statement: str, where: NDArray[np.bool_]) -> Claim:
        solved = self.success["SGD-CR"].mean(axis=0)[where]
        every, short = bool(solved.min() == 1), bool(self.lengths[where][-1] <= _SHORT)
        missed = ", ".join(
            f"{1 - share:.0%} of the runs do not at {length}"
            for share, length in zip(solved, self.lengths[where], strict=True)
            if share < 1
        )
        return Claim(
            statement,
            f"100 % of the runs up to {_LONG} steps (earlier version)",
            self._said("SGD-CR", where),
            verdict(every and (short or self._reached), every),
            "" if every and short else self._why(missed),
        )

    @property
    def _reached(self) -> bool:
        """Whether sequences are as long as the source's."""
        return bool(self.lengths[-1] >= _LONG)

    def _why(self, first: str) -> str:
        """What comes first, and what is less than in the source."""
        most = max(int(steps.max()) for steps in self.steps.values())
        less = f"at most {most:,} steps of training, where the paper allows {_ALLOWED:,}"
        shorter = "" if self._reached else f"sequences of at most {self.lengths[-1]} steps"
        return "; ".join(filter(None, (first, shorter, less)))

    def _said(self, method: str, where: Any = slice(None)) -> str:
        runs = self.wrong[method].shape[0] * self.wrong[method].shape[2]
        solved = np.rint(self.success[method].mean(axis=0) * runs).astype(int)
        each = zip(self.lengths[where], solved[where], strict=True)
        return ", ".join(f"{count} of {runs} at {length}" for length, count in each)

    def tables(self) -> list[Table]:
        """Runs that solve it, and steps that they took."""
        return [
            Table(
                f"{start}: runs that solve it (median of all runs' steps)",
                ("method", *(f"{length} steps" for length in self.lengths)),
                [
                    (
                        method,
                        *(
                            f"{(wrong < _SOLVED).sum()} of {wrong.size} ({np.median(steps):,.0f})"
                            for wrong, steps in zip(
                                self.wrong[method][place], self.steps[method][place], strict=True
                            )
                        ),
                    )
                    for method in METHODS
                ],
            )
            for place, start in enumerate(self.starts)
        ]

    def notes(self) -> list[str]:
        """What counts as solved, and why Ω helps."""
        return [
            f"Solved: less than {_SOLVED:.0%} of new sequences wrong, looked at every so many steps. "
            "Every run of every method at a length sees the same sequences from the same first weights.",
            "Ω pulls the recurrent weights to where a step back in time leaves the gradient's norm as it is: "
            "what comes early then reaches the end. Where that makes gradients explode, they are clipped.",
        ]

    def picture(self) -> Figure:
        """Success over the length, a panel a start, as figure 7."""
        figure, axes = plot.panels(len(self.starts), width=5)
        for place, (ax, start) in enumerate(zip(axes, self.starts, strict=True)):
            for method, rates in self.success.items():
                ax.plot(self.lengths, rates[place], label=method, **_LOOKS[method])
            ax.set(
                xscale="log",
                xlabel="length of the sequences",
                ylabel="share of the runs that solve it",
                title=start,
                ylim=(-0.03, 1.03),
            )
            ax.set_xticks(self.lengths, [str(length) for length in self.lengths])
            ax.minorticks_off()
            ax.label_outer()
        axes[0].legend(loc="lower left")
        figure.suptitle("Temporal order: success over the length")
        return figure


def run(
    seed: Annotated[int, "Seeds the first weights and the sequences."] = 0,
    full: Annotated[bool, "All three starts, and lengths up to 250."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train recurrent networks on the temporal order task with and without clipping and Ω.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    kept = Keep(keep, "temporal_order", seed=seed, full=full)
    return measure(FULL if full else DEFAULT, seed, kept, meter)


def measure(scale: Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """What `run` does, at any scale."""
    shape = len(scale.starts), len(scale.lengths), scale.runs
    wrong = {method: np.empty(shape) for method in METHODS}
    steps = {method: np.empty(shape, np.int64) for method in METHODS}
    for method in METHODS:
        for place in np.ndindex(*shape):
            start, length = scale.starts[place[0]], scale.lengths[place[1]]
            numbers = seed, list(STARTS).index(start), length, place[2]
            ended = _train(scale, method, start, length, numbers, kept, meter)
            wrong[method][place], steps[method][place] = ended.wrong, ended.steps
    return Result(list(scale.starts), np.array(scale.lengths), wrong, steps)


def _train(
    scale: Scale,
    method: str,
    start: str,
    length: int,
    numbers: tuple[int, ...],
    kept: Keep,
    meter: Meter,
) -> Practised:
    model = network(method, start, scale.units, numbers)
    own = int(stream(*numbers).integers(2**31))
    x, y = temporal_order(scale.held_out, length, seed=own)

    def wrong(model: Sequential) -> float:
        return float(np.mean(model.predict(x).argmax(axis=1) != y))

    return practise(
        kept,
        f"{method}-{start.replace(' ', '-')}-{length}-{numbers[-1]}",
        model,
        partial(_sequences, length),
        wrong,
        batch_size=_BATCH,
        below=_SOLVED,
        steps=scale.steps,
        every=scale.every,
        seed=numbers,
        meter=meter,
    )


def _sequences(length: int, count: int, seed: int) -> tuple[Any, Any]:
    return temporal_order(count, length, seed=seed)


def network(method: str, start: str, units: int, numbers: tuple[int, ...]) -> Sequential:
    """A network of one of the starts, compiled to learn by a method."""
    clip, omega = METHODS[method]
    rng, deviation = np.random.default_rng((1, *numbers)), STARTS[start]
    layer = RNN(units, start.split()[-1], omega=omega, name="rnn")
    output = Dense(4, "softmax", name="output")
    model = Sequential([layer, output], input_shape=(None, 8), seed=0)
    recurrent = rng.normal(0, deviation, (units, units))
    if start == "smart tanh":
        for row in recurrent:
            row[rng.permutation(units)[_SMART[0] :]] = 0
        recurrent *= _SMART[1] / np.abs(np.linalg.eigvals(recurrent)).max()
    layer.weight_hh = recurrent
    layer.weight_ih = rng.normal(0, deviation, (units, 8))
    output.weight = rng.normal(0, deviation, (4, units))
    for part in ("bias_ih", "bias_hh"):
        setattr(layer, part, np.zeros(units))
    model.compile(
        "sparse_categorical_crossentropy", SGD(_RATE), clip_norm=clip, on_nonfinite="ignore"
    )
    return model
