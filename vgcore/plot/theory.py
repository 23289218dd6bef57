"""Spectra of weights and Jacobians, Lyapunov exponents, and where a wide network is at the edge of chaos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from vgcore import _validate, activations
from vgcore.flow import GradientFlow
from vgcore.plot import bands, colourbar, curves, palette, style, text
from vgcore.plot.curves import Curve
from vgcore.plot.fields import Array, Field
from vgcore.theory import meanfield

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vgcore.model import Sequential

_SPECTRUM = Field("Singular values", r"singular value $\sigma_k$", nothing="rounded")
_EXPONENTS = Field("Lyapunov spectrum", r"Lyapunov exponent $\lambda_k$ per timestep", log=False)
_ON_PAPER: dict[str, Any] = {
    "facecolor": "white",
    "labelcolor": "black",
    "edgecolor": "0.5",
}  # as the map's middle is
_CELLS = 120  # of the map of chi_1, to each side
_TINY = 1e-300  # a log scale has no 0
_MOST_CHI = 10.0  # that its colours tell apart, and one over it
_NUMBERS = 0.1, 0.3, 1, 3, 10  # beside them


def singular_values(
    source: Sequential | Mapping[str, ArrayLike],
    *,
    band: tuple[float, float] = (0.0, 1.0),
    log: bool | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw singular values from the largest to the smallest: of a model's weights, or of Jacobians.

    What is at most the largest one times the machine epsilon, of the values' dtype, times the size of the
    matrix is 0 or rounding: on a log axis it is marked on the lower edge, and the legend counts it.

    Parameters
    ----------
    source : Sequential, or dict of str to array_like
        Of a model every weight of two axes or more, by name; of more, (out, in, height, width), as the matrix
        (out, in * height * width). A dict has singular values, (k,) or (n, k) of samples, as
        ``vgcore.theory.singular_values`` gives them: the line is the median over samples. A model that ends
        in a softmax has the Jacobian of its outputs, behind the softmax: they sum to 1, and so one singular
        value is 0.
    band : (float, float)
        Quantiles of the samples between which is filled: from the lowest to the highest.
    log, ax, legend
        As `vgcore.plot.flow` takes them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or there is no matrix.
    ImportError
        If matplotlib is not installed.
    """
    style.check_log(log)
    legend = _validate.boolean("legend", legend)
    edges = bands.check(band) or (0.0, 1.0)
    spectra = _given(source) if isinstance(source, Mapping) else _of_model(source)
    ax = style.axes_or_new(ax)
    about = _SPECTRUM if log is None else _SPECTRUM._replace(log=log)
    _draw(ax, about, spectra, palette.looks(len(spectra)), edges)
    if legend:
        curves.name_lines(ax, None)
    return ax


def lyapunov(
    exponents: Any,
    *,
    ax: Axes | None = None,
    label: str | None = None,
    color: Any = None,
    legend: bool = True,
) -> Axes:
    """Draw Lyapunov exponents, the largest first: above 0 neighbours part, and gradients explode.

    Parameters
    ----------
    exponents : Lyapunov, or array_like, (k,)
        What ``vgcore.theory.lyapunov`` gives, or its exponents.
    ax, label, color, legend
        As `vgcore.plot.flow` takes them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind.
    ImportError
        If matplotlib is not installed.
    """
    if isinstance(exponents, GradientFlow) or hasattr(exponents, "state_dict"):
        raise TypeError(
            "exponents: expected what vgcore.theory.lyapunov(model, x, layer) gives, or numbers, got "
            f"{_validate.kind(exponents)}"
        )
    values = style.reals("exponents", getattr(exponents, "exponents", exponents))
    if values.ndim != 1:
        raise ValueError(f"exponents: expected (k,), got shape {values.shape}")
    style.check_look(label, color)
    legend = _validate.boolean("legend", legend)
    ax = style.axes_or_new(ax)
    looks = [
        look | {"color": palette.hue(curves.flows_on(ax)) if color is None else look["color"]}
        for look in curves.looks_on(ax, 1, label, color)
    ]
    about = _EXPONENTS
    if hasattr(exponents, "history"):
        about = about._replace(title=f"{about.title} over {len(exponents.history):,} timesteps")
    _draw(ax, about, {label or curves.UNNAMED: values[np.newaxis]}, looks, (0.0, 1.0))
    ax.axhline(0, color=palette.faint(0.6), linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1)
    if legend:
        curves.name_lines(ax, None)
    return ax


def _draw(
    ax: Axes,
    about: Field,
    spectra: Mapping[str, Array],
    looks: Sequence[palette.Look],
    edges: tuple[float, float],
) -> None:
    """Spectra (n, k) of different lengths over their places, from 1."""
    longest = max((values.shape[1] for values in spectra.values()), default=0)
    named = [list(spectra)[place] for place in text.evenly(len(spectra), style.MOST_NAMES)]
    drawn = []
    for (name, values), look in zip(spectra.items(), looks, strict=True):
        padded = np.full((len(values), longest), np.nan)
        padded[:, : values.shape[1]] = -np.sort(-values, axis=1)
        there = np.broadcast_to(np.arange(longest) < values.shape[1], padded.shape)
        middle, band, known = bands.summary(padded, there, edges if len(values) > 1 else None)
        label = name if len(values) == 1 else f"{name}: median"
        drawn.append(Curve(middle, known, label if name in named else curves.UNNAMED, look, band))
    curves.draw(ax, about, np.arange(1.0, longest + 1), drawn, empty="no value to draw")
    if any(curve.band is not None for curve in drawn):
        curves.name_band(ax, f"samples: {bands.name(edges)}")
    style.number_x(ax)
    ax.set_xlabel("place $k$ from the largest")
    style.fit_text(ax)


def _of_model(model: Any) -> dict[str, Array]:
    """Singular values (1, k) of every weight that is a matrix; NaN of what is not finite."""
    if not hasattr(model, "state_dict"):
        raise TypeError(
            f"source: expected a model, or a dict of names to singular values, got {_validate.kind(model)}"
        )
    found = {}
    for name, values in model.state_dict().items():
        if np.ndim(values) < 2:
            continue
        matrix = np.asarray(values, float).reshape(len(values), -1)
        found[name] = np.full((1, min(matrix.shape)), np.nan)
        if np.isfinite(matrix).all():
            scale = float(np.max(np.abs(matrix), initial=0.0)) or 1.0  # squares may overflow
            with np.errstate(over="ignore"):
                sizes = np.linalg.svd(matrix / scale, compute_uv=False)
                found[name][0] = (
                    _rounded(np.asarray(sizes, float), max(matrix.shape), values.dtype) * scale
                )
    if not found:
        raise ValueError("source: expected a model with a weight of two axes, got one without")
    return found


def _given(source: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Singular values (n, k) by name."""
    if not source:
        raise ValueError("source: expected at least one name, got none")
    found = {}
    for name, values in source.items():
        _validate.name("source", name)
        array = style.reals(f"source[{name!r}]", values)
        if array.ndim not in (1, 2):
            raise ValueError(f"source[{name!r}]: expected (k,) or (n, k), got shape {array.shape}")
        found[name] = _rounded(np.atleast_2d(array), array.shape[-1], np.asarray(values).dtype)
    return found


def _rounded(sizes: Array, size: int, dtype: DTypeLike = float) -> Array:
    """Singular values (..., k), of a matrix with so many rows or columns: 0 where they are rounding alone."""
    real = np.dtype(dtype) if np.dtype(dtype).kind == "f" else np.dtype(float)
    largest = np.max(np.where(np.isfinite(sizes), sizes, 0), axis=-1, keepdims=True, initial=0.0)
    return np.where(np.abs(sizes) <= float(np.finfo(real).eps) * size * largest, 0.0, sizes)


def phase_diagram(
    activation: str | activations.Activation,
    *,
    sigma_w: tuple[float, float] = (0.5, 3.0),
    sigma_b: tuple[float, float] = (0.0, 2.0),
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw chi_1, what a layer of a wide network multiplies the squared gradient by, over its variances.

    On the line chi_1 = 1, the edge of chaos, depth costs nothing; where chi_1 is below 1, on the side of
    small weights, gradients vanish, and where it is above 1 they explode (Poole et al. 2016, Schoenholz et
    al. 2017). Where no such line is in range the title says on which side of it all is.

    Parameters
    ----------
    activation : str or Activation
        One that acts unit by unit: any but softmax.
    sigma_w, sigma_b : (float, float)
        From where to where: standard deviations of sqrt(fan_in) times a weight, and of a bias.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure of pyplot.
    legend : bool
        Whether to name the line and the marks.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or the activation mixes units.
    ImportError
        If matplotlib is not installed.
    """
    chosen = activations.unitwise(activation)
    across = _interval("sigma_w", sigma_w)
    upward = _interval("sigma_b", sigma_b)
    legend = _validate.boolean("legend", legend)
    ax = style.axes_or_new(ax)
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    from vgcore.plot import ticks

    found = meanfield.phase_diagram(
        chosen, np.linspace(*across, _CELLS), np.linspace(*upward, _CELLS)
    )
    cells = ax.pcolormesh(
        found.sigma_w,
        found.sigma_b,
        np.maximum(found.chi, _TINY),
        cmap=colormaps["PuOr_r"],
        norm=LogNorm(1 / _MOST_CHI, _MOST_CHI),
        shading="gouraud",
        rasterized=True,
    )
    shown = (found.critical >= across[0]) & (found.critical <= across[1])
    (line,) = ax.plot(found.critical, found.sigma_b, color="black", linewidth=2)
    ax.set(xlim=across, ylim=upward)
    ax.set(
        xlabel=r"$\sigma_w$ of the weights, times $\sqrt{fan\ in}$",
        ylabel=r"$\sigma_b$ of the biases",
        title=f"Edge of chaos: {chosen.name}{_side(found.chi)}",
    )
    style.fit_text(ax)
    ax.tick_params("x", pad=0.5 * ticks.size(ax.yaxis))  # numbers of both axes meet in the corner
    colourbar.beside(ax, cells, r"$\chi_1$", numbers=_NUMBERS)
    if legend and shown.any():
        style.legend(ax, [line], [r"$\chi_1 = 1$"], ax, loc="upper right", **_ON_PAPER)
    return ax


def _side(chi: Array) -> str:
    """What to say where all of a map lies on one side of the edge."""
    if np.all(chi < 1):
        return "\n$\\chi_1 < 1$ everywhere here"
    if np.all(chi > 1):
        return "\n$\\chi_1 > 1$ everywhere here"
    return ""


def _interval(argument: str, given: Any) -> tuple[float, float]:
    """Two numbers of at least 0, the second the larger."""
    ends = [
        _validate.real(argument, each, minimum=0)
        for each in _validate.items(argument, given, "two numbers, from where to where")
    ]
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise ValueError(f"{argument}: expected two rising numbers, got {given!r}")
    return ends[0], ends[1]
