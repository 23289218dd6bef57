"""How deep linear networks learn: Saxe, McClelland and Ganguli 2014.

A mode of strength s of the correlations between inputs and outputs is learned by a linear network with one
hidden layer, from a decoupled start of strength u0, on u(t) = s e^(2st/tau) / (e^(2st/tau) - 1 + s/u0)
(equation 12). Figure 3 has it beside networks from small random weights, linear and of tanh: 32 orthogonal
patterns with 1,000 features from a tree of five levels whose branches flip a feature with probability 0.1,
32 hidden units, u0 = 1e-6, a rate of 0.5e-3. All of that is done here. Random weights are drawn so that what
grows of a mode has strength u0 in the mean: of variance 2 u0 / 32.

Figure 6 A has the updates until a linear network has learned MNIST, at the best of twenty learning rates, by
its depth up to 100: flat from random orthogonal weights, growing from scaled random ones that keep the norm
(Gaussian by the text, uniform by the figure's caption; here Gaussian). The paper's layers have 1,000 units;
by default they have 64 here, for which the singular values of a product of Gaussian matrices spread as far
at a sixteenth of the depth. What is learned is 1,000 images in their first 32 principal components:
full-batch descent of a linear network sees their correlations alone, so 32 inputs that have the same ones
stand in for the images.

With any of the seeds 0 to 4, decoupled modes follow equation 12 to within the size of a step; from random
weights modes come a few percent late, the weakest more; the orthogonal start's time is flat, and the Gaussian
one's grows more than tenfold. The best rate falls more slowly than 1/depth, which figure 4 has of decoupled
starts of strength 0.001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.experiments import base
from vgcore.experiments.base import (
    About,
    Claim,
    KeepFolder,
    Meter,
    MnistFolder,
    Table,
    silent,
    verdict,
)
from vgcore.experiments.images import files, images
from vgcore.experiments.keep import Keep
from vgcore.experiments.linear import (
    KINDS,
    LEARNED,
    MODES,
    RATE,
    STARTS,
    Course,
    Search,
    condensed,
    course,
    half_learned,
    search,
    strength,
    tree,
)
from vgcore.plot import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

ABOUT = About(
    "Modes of a linear network are learned on a known curve; from an orthogonal start depth costs no time",
    "A. M. Saxe, J. L. McClelland, S. Ganguli, Exact solutions to the nonlinear dynamics of learning in deep "
    "linear neural networks, ICLR 2014, equation 12, figures 3, 4 and 6",
)

NAME = "saxe"


class Scale(NamedTuple):
    """How long modes are learned; then images, components, units, weight matrices, rates and updates."""

    mode_updates: int
    images: int
    components: int
    units: int
    depths: tuple[int, ...]
    rates: int
    updates: int


DEFAULT = Scale(2_000, 1_000, 32, 64, (2, 5, 10, 20, 40), 20, 2_000)
FULL = Scale(2_000, 60_000, 256, 1_000, (2, 5, 10, 20, 50, 99), 20, 5_000)


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    strengths : ndarray, (32,)
        Of the modes, strongest first.
    courses : dict of str to Course
        How the modes were learned, by the kind of network and start.
    searches : dict of str to list of Search
        By the start, one for each depth.
    scale : Scale
    images : str
        On what depths were compared.
    """

    strengths: Array
    courses: dict[str, Course]
    searches: dict[str, list[Search]]
    scale: Scale
    images: str

    def delays(self, kind: str) -> Array:
        """By how much later than equation 12 has it each of `MODES` is half learned; NaN: it never was."""
        expected = half_learned(self.strengths)
        return np.asarray(self.courses[kind].half_learned(self.strengths) / expected - 1)[MODES]

    def claims(self) -> list[Claim]:
        """Equation 12 from three starts, then depth."""
        return [
            self._decoupled(),
            self._approximates(
                "random", "A linear network from small random weights learns close to it"
            ),
            self._approximates("tanh", "So does a tanh network"),
            self._flat(),
            self._grows(),
            *self._rates(),
        ]

    def _decoupled(self) -> Claim:
        off = np.abs(self.delays("decoupled"))
        step = RATE * self.strengths[MODES] / 2 + 1 / half_learned(self.strengths)[MODES]
        return Claim(
            "From a decoupled start each mode is learned on u(t) of equation 12",
            "exactly so, in continuous time",
            f"half learned within {off.max():.1%} of the time; a step of this size may shift it by "
            f"{step.max():.1%}",
            verdict(bool(np.all(off <= step)), bool(np.all(off < 0.1))),
        )

    def _approximates(self, kind: str, statement: str) -> Claim:
        delays = self.delays(kind)
        times = self.courses[kind].half_learned(self.strengths)[MODES]
        reached = np.where(np.isnan(times), np.inf, times)
        middle = float(np.median(np.where(np.isnan(delays), np.inf, delays)))
        ordered = bool(np.all(reached[:-1] <= reached[1:]))
        never = f"; {np.isnan(delays).sum()} never" if np.isnan(delays).any() else ""
        return Claim(
            f"{statement} (seven modes)",
            "a reasonable approximation, the stronger the sooner",
            f"half learned {np.nanmin(delays):+.0%} to {np.nanmax(delays):+.0%} later, {middle:+.0%} in the "
            f"median{never}",
            verdict(abs(middle) < 0.25 and ordered, abs(middle) < 1),
        )

    def _times(self, start: str) -> list[float]:
        return [search.best for search in self.searches[start]]

    def _told(self, start: str) -> str:
        times = (f"{t:,.0f}" if np.isfinite(t) else "none in time" for t in self._times(start))
        return f"{', '.join(times)} updates with {', '.join(map(str, self.scale.depths))} layers"

    def _flat(self) -> Claim:
        orthogonal, gaussian = (np.array(self._times(start)) for start in STARTS)
        growth = orthogonal[-1] / orthogonal[0]
        return Claim(
            "From random orthogonal weights the time to learn does not grow with depth",
            "flat, up to 100 layers of 1,000 units",
            self._told("orthogonal"),
            verdict(growth < 1.5, growth < gaussian[-1] / gaussian[0] / 3),
        )

    def _grows(self) -> Claim:
        gaussian = np.array(self._times("Gaussian"))
        published = self.scale.units == FULL.units
        grows = bool(np.all(gaussian[1:] > gaussian[:-1]))
        return Claim(
            "From scaled Gaussian weights, which keep the norm, too, it does",
            "growing, up to 100 layers of 1,000 units",
            self._told("Gaussian"),
            verdict(published and grows, bool(gaussian[-1] > 2 * gaussian[0])),
            ""
            if published
            else f"layers of {self.scale.units} units, whose products spread sooner: to "
            f"{gaussian[-1] / gaussian[0]:.0f} times as many updates at {self.scale.depths[-1]} layers",
        )

    def _rates(self) -> list[Claim]:
        rates = np.array([search.rate for search in self.searches["orthogonal"]])
        depths = np.array(self.scale.depths, float)
        slope = float(np.polyfit(np.log(depths), np.log(rates), 1)[0])
        last = float(np.diff(np.log(rates))[-1] / np.diff(np.log(depths))[-1])
        falls, as_said = bool(np.all(np.diff(rates) < 0)), abs(slope + 1) < 0.2
        return [
            Claim(
                "The best learning rate falls with depth (orthogonal weights)",
                "falling",
                f"{', '.join(f'{rate:.2g}' for rate in rates)} with "
                f"{', '.join(map(str, self.scale.depths))} layers",
                verdict(falls, rates[-1] < rates[0]),
                "" if falls else "not at every step of depth",
            ),
            Claim(
                "and it falls as 1/depth",
                "O(1/depth)",
                f"as depth to the {slope:.2f}: by {rates[0] / rates[-1]:.1f} where depth grows by "
                f"{depths[-1] / depths[0]:.1f}",
                verdict(as_said, as_said),
                ""
                if as_said
                else f"the exponent is {slope:.2f} and not -1 ({last:.2f} between the two deepest alone); "
                "figure 4's rates are of decoupled starts of strength 0.001",
            ),
        ]

    def tables(self) -> list[Table]:
        """When modes are half learned, then updates by depth."""
        times = {kind: each.half_learned(self.strengths) for kind, each in self.courses.items()}
        rows = [
            (
                f"{mode + 1}",
                f"{self.strengths[mode]:.1f}",
                f"{half_learned(self.strengths)[mode]:.0f}",
                *(f"{times[kind][mode]:.0f}" for kind in KINDS),
            )
            for mode in MODES
        ]
        depth = [
            (f"{layers}", *(f"{self.searches[start][place].best:,.0f}" for start in STARTS))
            for place, layers in enumerate(self.scale.depths)
        ]
        return [
            Table(
                "Updates until a mode is half learned", ("mode", "s", "equation 12", *KINDS), rows
            ),
            Table("Updates until MNIST is learned, at the best rate", ("weights", *STARTS), depth),
        ]

    def notes(self) -> list[str]:
        """What was learned, and when it counts as learned."""
        return [
            f"Depth: {self.images}, in {self.scale.components} principal components; learned is where the "
            f"error beyond that of least squares is {LEARNED:.0%} of what an output of 0 has. "
            f"{self.scale.rates} rates, evenly spread in their logarithm; at most {self.scale.updates:,} "
            "updates.",
            "A product of orthogonal matrices is orthogonal: all of its singular values are 1. Those of a "
            "product of Gaussian ones spread with depth over width, and most directions of the error vanish.",
        ]

    def picture(self) -> Figure:
        """Figures 3 and 6 A: modes over time, time to learn and the best rate over depth."""
        figure = plot.blank(14.5, 4.4)
        modes, times, rates = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
        self._draw_modes(modes)
        for family, start in enumerate(STARTS):
            look = {"color": palette.hue(family), "marker": "os"[family], "label": start}
            times.plot(self.scale.depths, self._times(start), **look)
            rates.plot(self.scale.depths, [s.rate for s in self.searches[start]], **look)
        depths = np.array(self.scale.depths, float)
        first = self.searches["orthogonal"][0].rate * depths[0]
        rates.plot(depths, first / depths, color=palette.ink(), ls=":", lw=1, label="1/depth")
        times.set(title="Updates to learn MNIST", ylabel="updates, at the best rate")
        rates.set(title="The best learning rate", ylabel="rate")
        for ax in (times, rates):
            ax.set(xlabel="weight matrices", xscale="log", yscale="log")
            ax.set_xticks(self.scale.depths, [str(depth) for depth in self.scale.depths])
            ax.minorticks_off()
            ax.legend()
        return figure

    def _draw_modes(self, ax: Axes) -> None:
        steps = self.courses["decoupled"].step
        for place, mode in enumerate(MODES):
            s = self.strengths[mode]
            shown = (
                (
                    "equation 12",
                    strength(steps, s),
                    {"color": palette.hue(1), "linewidth": 2.5, "alpha": 0.6},
                ),
                ("linear, random start", self._of("random", mode), {"color": palette.hue(0)}),
                (
                    "tanh, random start",
                    self._of("tanh", mode),
                    {"color": palette.hue(2), "lw": 0.9},
                ),
            )
            for label, values, look in shown:
                ax.plot(steps, values, label=label if not place else None, **look)
        names = ", ".join(str(mode + 1) for mode in MODES)
        ax.set(
            title=f"Modes {names}, from the strongest",
            xlabel="update",
            ylabel="strength that is learned",
        )
        ax.legend(loc="upper right", bbox_to_anchor=(1, 0.9))

    def _of(self, kind: str, mode: int) -> Array:
        return np.asarray(self.courses[kind].strength[:, mode])


def run(
    data: MnistFolder = None,
    seed: Annotated[int, "Seeds the features and the first weights."] = 0,
    full: Annotated[bool, "Compare depths at the paper's width, on all images: hours."] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train linear networks beside the exact solution of their course, and from two starts by depth.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    kept = Keep(keep, NAME, data=files(data), seed=seed, full=full)
    return measure(data, FULL if full else DEFAULT, seed, kept, meter)


def measure(data: Any, scale: Scale, seed: int, kept: Keep, meter: Meter) -> Result:
    """All of it at some scale; figure 3 is always of the paper's."""
    given = images(data, scale.images)
    features = tree(np.random.default_rng([seed, 0]))
    courses = {}
    for place, kind in enumerate(KINDS):
        courses[kind] = kept.part(
            f"modes-{kind}",
            Course,
            lambda kind=kind: course(kind, features, scale.mode_updates, [seed, 1]),  # type: ignore[misc]
        )
        meter("modes", place + 1, len(KINDS))
    task = condensed(given.x, given.y, scale.components)
    searches: dict[str, list[Search]] = {start: [] for start in STARTS}
    for place, depth in enumerate(scale.depths):
        for start in STARTS:
            part = f"depth-{depth}-{start}"
            found = kept.part(
                part,
                Search,
                lambda depth=depth, start=start: search(  # type: ignore[misc]
                    task, depth, start, scale.units, scale.rates, scale.updates, [seed, 2, depth]
                ),
            )
            searches[start].append(found)
        meter("depths", place + 1, len(scale.depths))
    strengths = np.linalg.svd(features, compute_uv=False)
    return Result(np.asarray(strengths, float), courses, searches, scale, given.about)
