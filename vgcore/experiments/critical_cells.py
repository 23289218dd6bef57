"""Critical starts of recurrent cells (Chen, Pennington and Schoenholz 2018).

A recurrent network with random weights of variance sw^2 / units forgets at a rate that mean-field theory
gives: on its way back through a timestep the squared gradient is multiplied by chi, in a vanilla cell by
sw^2 E f'(z)^2, so that it keeps its size over a timescale of 1 / |ln chi|. Where chi is 1 this diverges. The
paper finds that theory tells what can be trained, that cells with gates can be trained in a much broader
region than vanilla ones, and that critical starts of orthogonal weights train better still. Its gated cell is
the minimalRNN, h_t = u h_{t-1} + (1 - u) x'_t with u = s(W h_{t-1} + V x'_t + b), where x'_t is a function of
the input, here tanh(W_x x_t).

Here a digit of 8 x 8 is shown at the first timestep, noise at all others, and the last must tell the digit.
Networks of 64 units take 200 steps, from starts of 8 sw and with 5 lengths, one network each. The minimalRNN
is a dense layer of tanh with a GRU above it that starts as one: identity as its activation, an identity
matrix from x' to its candidate, nothing from h to it, and 4 as the bias of u. (The matrices are free to
move.) The theory is held against gradients of ten networks of 256 units that see noise alone.

With any of the seeds 0 to 4, theory is at most 2.4 % off (vanilla; just above and below criticality) and
0.0 % (minimalRNN). What vanilla cells learn goes with their timescale, with a rank correlation of 0.79 to
0.90 over sw, and with seed 3 of 0.48, too little for the claim; they learn 42 to 55 % of all starts and
lengths, the minimalRNN all. Around criticality, sw from 1.0 to 1.2, orthogonal weights get 69 to 80 % right,
mean of all lengths, Gaussian ones 52 to 69 %, 4 to 21 points less. How much of the timescale can be learned
depends on how long one trains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

from vgcore import _validate, data, plot
from vgcore.experiments import base, side_by_side
from vgcore.experiments.base import About, Claim, KeepFolder, Meter, Table, silent, verdict
from vgcore.experiments.keep import Keep
from vgcore.experiments.streams import stream
from vgcore.initializers import Normal, Orthogonal
from vgcore.layers import GRU, RNN, Dense
from vgcore.model import Sequential
from vgcore.optimizers import Adam
from vgcore.theory import meanfield

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Float64 = NDArray[np.float64]

ABOUT = About(
    "Critical starts of recurrent cells: how long they remember, and over how long they train",
    "M. Chen, J. Pennington, S. S. Schoenholz, Dynamical isometry and a mean field theory of RNNs, ICML "
    "2018, arXiv:1806.05394",
)

CELLS = {"vanilla": "vanilla", "orthogonal": "vanilla, orthogonal", "minimal": "minimalRNN"}
_INPUTS, _CLASSES = 64, 10
_NOISE, _OF_INPUTS, _GATE_BIAS = 0.1, 0.5, 4.0
_BATCH_SIZE, _LEARNING_RATE, _CLIP_NORM, _HELD_OUT = 32, 2e-3, 1.0, 512
_LEARNED = 0.55  # right: half way from chance to all
_COLOURS = {"vanilla": "#d55e00", "minimal": "#0072b2"}  # of Okabe and Ito


class _Scale(NamedTuple):
    sigma: tuple[float, ...]
    lengths: tuple[int, ...]
    units: int
    steps: int
    theory_units: int
    draws: int
    settled: int  # timesteps until lengths have settled, in a vanilla cell


DEFAULT = _Scale(
    (0.5, 0.7, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0), (10, 20, 40, 80, 160), 64, 200, 256, 10, 40
)
FULL = _Scale(
    tuple(np.round(np.arange(0.4, 2.81, 0.15), 2)), (10, 20, 40, 80, 160, 320, 640), 256, 2_000, 1_024, 20, 40
)  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """Shares of held-out digits that are right, (lengths, sw)."""

    right: Float64


@dataclass(frozen=True)
class Measured:
    """What one timestep multiplies the gradient by before training: (draws, sw)."""

    factor: Float64


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    sigma : tuple of float
        sw.
    lengths : tuple of int
    trained : dict of str to Trained
        By the keys of `CELLS`.
    measured : dict of str to Measured
        Of "vanilla" and "minimal".
    """

    sigma: tuple[float, ...]
    lengths: tuple[int, ...]
    trained: dict[str, Trained]
    measured: dict[str, Measured]

    def theory(self, cell: str) -> Float64:
        """What one timestep multiplies the gradient by: the root of chi, for each sw."""
        chi = vanilla_chi if cell == "vanilla" else minimal_chi
        return np.sqrt([chi(sigma) for sigma in self.sigma])

    def timescale(self, cell: str) -> Float64:
        """Timesteps over which the gradient changes by a factor of e, for each sw."""
        scale: Float64 = 1 / np.abs(np.log(self.theory(cell)))
        return scale

    def learned(self, cell: str) -> NDArray[np.bool_]:
        """Which networks get more than half way from chance to all, (lengths, sw)."""
        learned: NDArray[np.bool_] = self.trained[cell].right > _LEARNED
        return learned

    def longest(self, cell: str) -> Float64:
        """The longest sequence that is learned, for each sw; 0 where none is."""
        each = np.where(self.learned(cell), np.array(self.lengths)[:, np.newaxis], 0)
        longest: Float64 = each.max(axis=0).astype(float)
        return longest

    @property
    def agreement(self) -> float:
        """The rank correlation of timescale and what is right, mean of lengths, over sw, of vanilla cells."""
        right = self.trained["vanilla"].right.mean(axis=0)
        both = np.stack([_ranks(self.timescale("vanilla")), _ranks(right)])
        both -= both.mean(axis=1, keepdims=True)
        return float(np.prod(both, axis=0).sum() / np.sqrt(np.prod((both**2).sum(axis=1))))

    @property
    def _unlike(self) -> str:
        """In how far the longest sequence that vanilla cells learn is no fixed multiple of the timescale."""
        multiples = self.longest("vanilla") / self.timescale("vanilla")
        return (
            f"by order, not in proportion: the longest sequence learned is {multiples.min():.2g} to "
            f"{multiples.max():.2g} timescales"
        )

    def claims(self) -> list[Claim]:
        """What theory says of gradients, and what of training."""
        off = {
            cell: np.abs(self.measured[cell].factor.mean(axis=0) / self.theory(cell) - 1).max()
            for cell in self.measured
        }
        theory, vanilla = self.theory("vanilla"), self.measured["vanilla"].factor.mean(axis=0)
        worst = int(np.argmax(np.abs(vanilla / theory - 1)))
        share = {cell: float(self.learned(cell).mean()) for cell in CELLS}
        gained = self.learned("minimal") >= self.learned("vanilla")
        best = self.sigma[int(np.argmax(self.trained["vanilla"].right.sum(axis=0)))]
        critical = int(np.argmax(self.timescale("vanilla")))
        near = slice(max(critical - 1, 0), critical + 2)
        right = [self.trained[cell].right[:, near].mean() for cell in ("vanilla", "orthogonal")]
        return [
            Claim(
                "Mean-field theory tells what a timestep multiplies the gradient by",
                "the root of chi, of vanilla and gated cells",
                f"off by at most {off['vanilla']:.1%} (vanilla), {off['minimal']:.1%} (minimalRNN), over sw",
                verdict(max(off.values()) < 0.01, max(off.values()) < 0.05),
                f"most at sw = {self.sigma[worst]:g}: {vanilla[worst]:.3f}, theory {theory[worst]:.3f}, for "
                "infinitely many units; the minimalRNN's is its gate's bias, the same at every sw",
            ),
            Claim(
                "What can be trained follows the timescale, which diverges at criticality",
                "the longest timescale tells what can be trained",
                f"rank correlation {self.agreement:.2f} over sw; most is learned with sw = {best:g}, the "
                f"timescale is longest at {self.sigma[critical]:g}",
                verdict(False, self.agreement > 0.5),
                f"{self._unlike}; other data (digits behind noise), {len(self.sigma)} sw "
                f"and {len(self.lengths)} lengths, a network each",
            ),
            Claim(
                "A gated cell can be trained in a much broader region",
                "a much broader, more robust region",
                f"{share['minimal']:.0%} of all starts and lengths, the vanilla cell {share['vanilla']:.0%}",
                verdict(bool(gained.all()) and share["minimal"] > share["vanilla"],
                        share["minimal"] > share["vanilla"]),
            ),
            Claim(
                "At criticality orthogonal weights train better than Gaussian ones",
                "significantly better training",
                f"{right[1]:.0%} right against {right[0]:.0%}, mean of all lengths, with sw from "
                f"{self.sigma[near][0]:g} to {self.sigma[near][-1]:g}",
                verdict(False, right[1] > right[0]),
                f"by {100 * (right[1] - right[0]):.0f} points, after a fixed number of steps on other data "
                "(digits behind noise)",
            ),
        ]  # fmt: skip

    def tables(self) -> list[Table]:
        """Factors beside theory, and what is learned."""
        rows = []
        for place, sigma in enumerate(self.sigma):
            row = [f"{sigma:g}"]
            for cell in self.measured:
                row += [f"{self.theory(cell)[place]:.4f}"]
                row += [f"{self.measured[cell].factor.mean(axis=0)[place]:.4f}"]
            for cell in CELLS:
                longest = self.longest(cell)[place]
                row.append(f"{'≥ ' if longest == self.lengths[-1] else ''}{longest:.0f}")
            rows.append(tuple(row))
        columns = (
            "sw",
            "vanilla: theory",
            "measured",
            "minimalRNN: theory",
            "measured",
            *CELLS.values(),
        )
        return [
            Table(
                "Factor of the gradient per timestep, and longest sequence learned", columns, rows
            )
        ]

    def notes(self) -> list[str]:
        """How to read the columns."""
        return [
            f"measured: mean of {len(self.measured['vanilla'].factor)} networks before training. longest "
            f"sequence learned: more than {_LEARNED:.0%} right; 0: not even the shortest; ≥: the longest of "
            "all.",
            "A minimalRNN whose gate is nearly open carries the gradient whatever its recurrent weights are.",
        ]

    def picture(self) -> Figure:
        """The timescales, and what is learned by start and length."""
        figure = plot.blank(14, 4.2)
        scale, *maps = figure.subplots(1, 4, width_ratios=(1.15, 1, 1, 1))
        fine = np.linspace(self.sigma[0], self.sigma[-1], 151)
        titles = {"vanilla": "vanilla", "minimal": f"minimalRNN, gate bias {_GATE_BIAS:g}"}
        curves = {}
        for cell, chi in (("vanilla", vanilla_chi), ("minimal", minimal_chi)):
            curves[cell] = 2 / np.abs(np.log([chi(sigma) for sigma in fine]))
            scale.semilogy(fine, curves[cell], color=_COLOURS[cell], label=titles[cell])
            found = 1 / np.abs(np.log(self.measured[cell].factor.mean(axis=0)))
            scale.semilogy(self.sigma, found, "o", color=_COLOURS[cell])
        scale.set(
            xlabel=r"$\sigma_w$",
            ylabel="timesteps",
            ylim=(1, 3e3),
            title="how long it is remembered",
        )
        scale.legend(loc="lower right", fontsize="small", title="theory; dots: measured")
        scale.grid(alpha=0.3)
        for ax, (cell, title) in zip(maps, CELLS.items(), strict=True):
            places = np.arange(len(self.sigma)), np.arange(len(self.lengths))
            image = ax.pcolormesh(*places, self.trained[cell].right, vmin=0, vmax=1, cmap="viridis")
            curve = curves["minimal" if cell == "minimal" else "vanilla"] * self.multiple
            across = np.interp(fine, self.sigma, places[0])
            up = np.interp(
                np.log(curve), np.log(self.lengths), places[1], right=np.nan, left=np.nan
            )
            ax.plot(across, up, color="white", linewidth=2)
            ax.set_xticks(places[0], [f"{sigma:g}" for sigma in self.sigma], fontsize="small")
            ax.set_yticks(places[1], [str(length) for length in self.lengths])
            ax.set(xlabel=r"$\sigma_w$", title=title)
            ax.set_ylim(-0.5, len(self.lengths) - 0.5)
        maps[0].set_ylabel("timesteps of a sequence")
        bar = figure.colorbar(image, ax=maps, label="right, held out", pad=0.01)
        bar.ax.yaxis.set_major_formatter("{x:.0%}")
        figure.suptitle(
            f"What is learned follows the timescale (white: {self.multiple:.1f} times it); a gate carries it"
        )
        return figure

    @property
    def multiple(self) -> float:
        """Longest sequence over timescale: median of the vanilla cells that end within the lengths."""
        longest = self.longest("vanilla")
        ends = (longest > 0) & (longest < self.lengths[-1])
        return float(np.median((longest / self.timescale("vanilla"))[ends])) if ends.any() else 1.0


def run(
    full: Annotated[bool, "More starts, longer sequences, wider cells, more steps: hours."] = False,
    keep: KeepFolder = None,
    seed: Annotated[int, "Seeds the digits, the noise and the first weights."] = 0,
    meter: Meter = silent,
) -> Result:
    """Train vanilla and gated cells from starts around criticality, over growing lengths.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    _validate.integer("seed", seed, minimum=0)
    _validate.boolean("full", full)
    kept = Keep(keep, "critical_cells", seed=seed, full=full)
    return compared(FULL if full else DEFAULT, seed, kept, meter)


def compared(scale: _Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """Gradients and trainings at one scale."""
    measured, trained = {}, {}
    for cell in ("vanilla", "minimal"):

        def gradients(cell: str = cell) -> Measured:
            return Measured(_factors(cell, scale, seed, meter))

        measured[cell] = kept.part(f"{cell}.factors", Measured, gradients)
    for cell in CELLS:
        rows = []
        for length in scale.lengths:

            def training(cell: str = cell, length: int = length) -> Trained:
                return Trained(_right(cell, length, scale, seed, meter))

            rows.append(kept.part(f"{cell}.{length}", Trained, training).right)
        trained[cell] = Trained(np.array(rows))
    return Result(scale.sigma, scale.lengths, trained, measured)


def vanilla_chi(sigma: float) -> float:
    """What a timestep of a vanilla cell multiplies the squared gradient by: the inputs are as a bias."""
    return float(meanfield.chi("tanh", sigma, _OF_INPUTS * _NOISE))


def minimal_chi(sigma: float) -> float:
    """The same of a minimalRNN: E u^2 + sw^2 E s'^2 (E h^2 + E x'^2), at the lengths that it settles at."""
    z, odds = hermegauss(101)
    odds = odds / odds.sum()
    x = odds @ np.tanh(_NOISE * z) ** 2
    q, before = 1.0, 0.0
    while abs(q - before) > 1e-12 * q:
        u = 1 / (1 + np.exp(-(np.sqrt(q) * z + _GATE_BIAS)))
        h = x * (odds @ (1 - u) ** 2) / (1 - odds @ u**2)
        q, before = sigma**2 * h + x, q
    return float(odds @ u**2 + sigma**2 * (h + x) * (odds @ (u * (1 - u)) ** 2))


def network(cell: str, sigma: float, units: int, seed: int) -> Sequential:
    """A cell with weights of this size and a softmax, compiled."""
    gaussian = Normal(0, sigma / units**0.5)
    if cell == "minimal":
        seen = Dense(units, "tanh", weight_initializer=Normal(0, _INPUTS**-0.5))
        gru = GRU(
            units,
            "identity",
            weight_initializer=Normal(0, units**-0.5),
            recurrent_initializer=gaussian,
            name="cell",
        )
        layers: list[Any] = [seen, gru]
    else:
        start = Orthogonal(sigma) if cell == "orthogonal" else gaussian
        of_inputs = Normal(0, _OF_INPUTS * _INPUTS**-0.5)
        layers = [
            RNN(units, weight_initializer=of_inputs, recurrent_initializer=start, name="cell")
        ]
    layers.append(Dense(_CLASSES, "softmax"))
    model = Sequential(layers, input_shape=(None, _INPUTS), seed=seed)
    if cell == "minimal":  # gates r, z, n: u is z, x' goes to n as it is
        update, candidate = slice(units, 2 * units), slice(2 * units, 3 * units)
        gru.weight_hh[candidate] = 0
        gru.weight_ih[candidate] = np.eye(units)
        gru.bias_ih[update] = _GATE_BIAS
    model.compile("sparse_categorical_crossentropy", Adam(_LEARNING_RATE), clip_norm=_CLIP_NORM)
    return model


def _factors(cell: str, scale: _Scale, seed: int, meter: Meter) -> Float64:
    """What a timestep multiplies the gradient by: (draws, sw), where lengths have settled."""
    lags = 25
    settled = scale.settled if cell == "vanilla" else 4 * scale.settled  # its gate is slow
    rows = []
    for draw in range(scale.draws):
        rng = stream(seed, draw)
        noise = _NOISE * rng.standard_normal((8, settled + lags, _INPUTS))
        row = []
        for sigma in scale.sigma:
            model = network(cell, sigma, scale.theory_units, scale.draws * seed + draw)
            norms = model.gradient_flow(noise, np.zeros(len(noise), int)).time["cell"][0]
            row.append((norms[-lags] / norms[-1]) ** (1 / (lags - 1)))
        rows.append(row)
        meter(f"{CELLS[cell]}: gradients", draw + 1, scale.draws)
    return np.array(rows, float)


def _right(cell: str, length: int, scale: _Scale, seed: int, meter: Meter) -> Float64:
    """Shares of held-out digits that are right after training, for each sw."""
    x, y = _sequences(scale.steps * _BATCH_SIZE + _HELD_OUT, length, seed)
    models = [network(cell, sigma, scale.units, seed) for sigma in scale.sigma]
    side_by_side.train(
        models,
        x[:-_HELD_OUT],
        y[:-_HELD_OUT],
        part=f"{CELLS[cell]}, {length} timesteps",
        meter=meter,
        batch_size=_BATCH_SIZE,
        shuffle=False,
    )
    right: Float64 = np.array(
        [model.evaluate(x[-_HELD_OUT:], y[-_HELD_OUT:])["accuracy"] for model in models]
    )
    return right


def _sequences(count: int, length: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A digit, then noise; those at the end are of other digits than the rest."""
    x, y, held_x, held_y = data.train_test_split(*data.digits(), seed=seed)
    mean, size = x.mean(axis=0), np.sqrt(np.mean((x - x.mean(axis=0)) ** 2))
    rng = stream(seed, length)
    chosen = rng.integers(len(x), size=count - _HELD_OUT), rng.integers(len(held_x), size=_HELD_OUT)
    sequences = _NOISE * rng.standard_normal((count, length, _INPUTS), dtype=np.float32)
    sequences[:, 0] = (np.concatenate([x[chosen[0]], held_x[chosen[1]]]) - mean) / size
    return sequences, np.concatenate([y[chosen[0]], held_y[chosen[1]]])


def _ranks(values: Float64) -> Float64:
    """Ranks, ties shared."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Float64 = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
