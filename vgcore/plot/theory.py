"""Spectra of weights and Jacobians, Lyapunov exponents, and where a wide network is at the edge of chaos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from vgcore import _validate, activations
from vgcore.plot import curves, palette, style
from vgcore.plot.curves import Curve
from vgcore.plot.fields import Array, Field
from vgcore.theory import meanfield

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vgcore.model import Sequential

_SPECTRUM = Field("Singular values", r"singular value $\sigma_k$")
_EXPONENTS = Field("Lyapunov spectrum", r"Lyapunov exponent $\lambda_k$ per timestep", log=False)
_ON_PAPER = {
    "facecolor": "white",
    "labelcolor": "black",
    "edgecolor": "0.5",
}  # as the map's middle is
_CELLS = 120  # of the map of chi_1, to each side
_MOST_CHI = 10.0  # that its colours tell apart, and one over it


def singular_values(
    source: Sequential | Mapping[str, ArrayLike],
    *,
    log: bool | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw singular values from the largest to the smallest, a line for each matrix.

    Parameters
    ----------
    source : Sequential, or dict of str to array_like
        Of a model every weight of two axes or more, by name; of more, (out, in, height, width), as the matrix
        (out, in * height * width). Of a dict matrices such as Jacobians, or (k,) singular values.
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
    spectra = {name: _spectrum(values) for name, values in _matrices(source).items()}
    ax = style.axes_or_new(ax)
    about = _SPECTRUM if log is None else _SPECTRUM._replace(log=log)
    _draw(ax, about, spectra, palette.looks(len(spectra)))
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
    values = _validate.array("exponents", getattr(exponents, "exponents", exponents))
    values = np.asarray(values, float)
    if values.ndim != 1:
        raise ValueError(f"exponents: expected (k,), got shape {values.shape}")
    style.check_look(label, color)
    legend = _validate.boolean("legend", legend)
    ax = style.axes_or_new(ax)
    looks = [
        look | {"color": palette.hue(curves.flows_on(ax)) if color is None else look["color"]}
        for look in curves.looks_on(ax, 1, label, color)
    ]
    _draw(ax, _EXPONENTS, {label or curves.UNNAMED: np.sort(values)[::-1]}, looks)
    ax.axhline(0, color=palette.faint(0.6), linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1)
    if legend:
        curves.name_lines(ax, None)
    return ax


def _draw(
    ax: Axes, about: Field, spectra: Mapping[str, Array], looks: Sequence[palette.Look]
) -> None:
    """Spectra of different lengths over their places, from 1."""
    longest = max((len(values) for values in spectra.values()), default=0)
    named = [list(spectra)[place] for place in palette.few(len(spectra), style.MOST_NAMES)]
    drawn = []
    for (name, values), look in zip(spectra.items(), looks, strict=True):
        padded = np.full(longest, np.nan)
        padded[: len(values)] = values
        label = name if name in named else curves.UNNAMED
        drawn.append(Curve(padded, np.arange(longest) < len(values), label, look))
    curves.draw(ax, about, np.arange(1.0, longest + 1), drawn, empty="no value to draw")
    ax.locator_params("x", integer=True)
    ax.set_xlabel("place $k$ from the largest")


def _matrices(source: Any) -> dict[str, Array]:
    """Matrices, or spectra, by name."""
    if hasattr(source, "state_dict"):
        given = {
            name: values for name, values in source.state_dict().items() if np.ndim(values) > 1
        }
        if not given:
            raise ValueError("source: expected a model with a weight of two axes, got one without")
        return {name: np.asarray(each, float) for name, each in given.items()}
    if not isinstance(source, Mapping):
        raise TypeError(
            f"source: expected a model, or a dict of names to matrices, got {_validate.kind(source)}"
        )
    if not source:
        raise ValueError("source: expected at least one matrix, got none")
    for name in source:
        _validate.name("source", name)
    return {n: np.asarray(_validate.array(f"source[{n!r}]", v), float) for n, v in source.items()}


def _spectrum(values: Array) -> Array:
    """Singular values of a matrix, or those that are given, falling; NaN of what is not finite."""
    if values.ndim < 2:
        return np.sort(np.atleast_1d(values))[::-1]
    matrix = values.reshape(len(values), -1)
    if not np.isfinite(matrix).all():
        return np.full(min(matrix.shape), np.nan)
    return np.asarray(np.linalg.svd(matrix, compute_uv=False), float)


def phase_diagram(
    activation: str | activations.Activation,
    *,
    sigma_w: tuple[float, float] = (0.5, 3.0),
    sigma_b: tuple[float, float] = (0.0, 2.0),
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw chi_1, what a layer of a wide network multiplies the squared gradient by, over its variances.

    On the line chi_1 = 1, the edge of chaos, depth costs nothing; on the side of small weights gradients
    vanish, on the other they explode (Poole et al. 2016, Schoenholz et al. 2017).

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

    x, y = np.linspace(*across, _CELLS), np.linspace(*upward, _CELLS)
    chi = meanfield.phase_diagram(chosen, x, y).chi
    held = np.clip(np.nan_to_num(chi, nan=1.0), 1 / _MOST_CHI, _MOST_CHI)
    cells = ax.pcolormesh(
        x,
        y,
        held,
        cmap=colormaps["PuOr_r"],
        norm=LogNorm(1 / _MOST_CHI, _MOST_CHI),
        shading="gouraud",
        rasterized=True,
    )
    line = ax.contour(x, y, held, levels=[1.0], colors="black", linewidths=2)
    bar = style.figure_of(ax).colorbar(cells, ax=ax, extend="both", ticks=[0.1, 0.3, 1, 3, 10])
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.set_label(r"$\chi_1$: below 1 gradients vanish, above they explode")
    ax.set(
        xlabel=r"$\sigma_w$ of the weights, times $\sqrt{fan\ in}$",
        ylabel=r"$\sigma_b$ of the biases",
        title=f"Edge of chaos: {chosen.name}",
    )
    style.fit_text(ax)
    if legend and any(len(path) for path in line.allsegs[0]):
        from matplotlib.lines import Line2D

        handle = Line2D([], [], color="black", linewidth=2)
        style.legend(ax, [handle], [r"$\chi_1 = 1$"], ax, loc="upper right", **_ON_PAPER)
    return ax


def _interval(argument: str, given: Any) -> tuple[float, float]:
    """Two numbers of at least 0, the second the larger."""
    ends = [
        _validate.real(argument, each, minimum=0)
        for each in _validate.items(argument, given, "two numbers, from where to where")
    ]
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise ValueError(f"{argument}: expected two rising numbers, got {given!r}")
    return ends[0], ends[1]
