"""Initializers: what one parameter starts as.

An initializer is called as ``init(shape, rng, dtype)`` and returns a new array of that shape and
dtype. It draws in float64 and casts once, so that a float32 and a float64 model of one seed start
alike. Shapes follow PyTorch's layouts: a weight is ``(out, in, *kernel)``, a bias is ``(out,)``. fan_in
is the number of inputs that one unit sums over, fan_out the number of units that one input reaches.
Defaults are those of ``torch.nn.init``.
"""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vgcore import activations
from vgcore._answers import Answering
from vgcore._core import arrays
from vgcore._validate import array, described, fits, integer, one_of, real, real_dtype
from vgcore.activations import Activation, Formula
from vgcore.theory import meanfield

Shape = tuple[int, ...]
Draw = npt.NDArray[np.float64]
Parameter = npt.NDArray[np.floating[Any]]


class Initializer(metaclass=Answering):
    """Base of all initializers: a subclass says what to draw, this class checks and casts."""

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: npt.DTypeLike) -> Parameter:
        """Return a C-contiguous array of ``shape`` and ``dtype`` (float32 or float64)."""
        if not isinstance(shape, tuple | list) or not shape:
            raise TypeError(f"shape: expected a tuple of one or more sizes, got {shape!r}")
        shape = tuple(integer("shape", size, minimum=1) for size in shape)
        fits("shape", math.prod(shape))
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng: expected a numpy.random.Generator, got {type(rng).__name__}")
        chosen = real_dtype("dtype", dtype)
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(self.draw(shape, rng), dtype=chosen)
        if not arrays.all_finite(values):
            bad = values[~np.isfinite(values)][0]
            raise ValueError(f"{self}: expected finite {chosen} numbers, got {bad}")
        return values

    @abstractmethod
    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        """Return float64 values of ``shape``, all randomness taken from ``rng``."""

    def _check_real(self, name: str, **bounds: float) -> None:
        object.__setattr__(self, name, real(name, getattr(self, name), **bounds))

    def _check_gain(self, **bounds: float) -> None:
        given = self.__dict__["gain"]
        if isinstance(given, str):
            one_of("gain", given, _GAINS)
        elif isinstance(given, Activation):
            gain(given)
        else:
            self._check_real("gain", **bounds)

    def _matrix(self, shape: Shape, *, kernel: bool) -> tuple[int, int]:
        """Return (rows, columns) of a weight (out, in, *kernel), a kernel only if it may have."""
        if len(shape) == 2 or (len(shape) > 2 and kernel):
            return shape[0], math.prod(shape[1:])
        layout = "(out, in, ...)" if kernel else "(out, in)"
        raise ValueError(
            f"{type(self).__name__}: expected a weight of shape {layout}, got shape {shape}"
        )


@dataclass(frozen=True)
class Constant(Initializer):
    """``w = value`` everywhere."""

    value: float = 0.0

    def __post_init__(self) -> None:
        self._check_real("value")

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Zeros(Constant):
    """``w = 0`` everywhere: the usual bias. As a weight it leaves all units of a layer equal."""

    value: float = field(default=0.0, init=False, repr=False)


@dataclass(frozen=True)
class Ones(Constant):
    """``w = 1`` everywhere."""

    value: float = field(default=1.0, init=False, repr=False)


@dataclass(frozen=True)
class Normal(Initializer):
    """``w ~ N(mean, std²)``."""

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        self._check_real("mean")
        self._check_real("std", minimum=0)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        return rng.normal(self.mean, self.std, shape)


@dataclass(frozen=True)
class Uniform(Initializer):
    """``w ~ U[low, high)``."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        self._check_real("low")
        self._check_real("high")
        if self.high <= self.low:
            raise ValueError(
                f"high: expected a finite number above {self.low:g}, got {self.high:g}: low is not below it"
            )

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class TruncatedNormal(Normal):
    """``w ~ N(mean, std²)`` given that ``|w - mean| <= 2 std``.

    ``std`` is that of the parent normal, as in ``torch.nn.init.trunc_normal_`` with a, b =
    mean ∓ 2 std. The values themselves spread by 0.880 std.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        z = rng.standard_normal(shape)
        while (outside := np.abs(z) > 2).any():
            z[outside] = rng.standard_normal(np.count_nonzero(outside))
        return self.mean + self.std * z


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """``Var[w] = gain² / n``, zero mean, where n is a fan of the weight ``(out, in, *kernel)``.

    Parameters
    ----------
    gain : float, str or Activation
        What the activation asks for; by the name of one it is that of `vgcore.initializers.gain`.
    mode : {"fan_in", "fan_out", "fan_avg"}
        n. fan_in keeps the variance of the forward signal, fan_out that of the backward one, and
        fan_avg, their mean, is the compromise.
    distribution : {"normal", "uniform"}
        ``N(0, gain²/n)``, or ``U[-b, b)`` with ``b = gain sqrt(3/n)``.

    Notes
    -----
    By name, each as ``_normal`` and ``_uniform``: lecun is fan_in with gain 1 ([1]_ eq. 16); xavier
    or glorot is fan_avg with gain 1 ([2]_ eq. 12 and 16); he or kaiming is fan_in with the gain of
    the activation ([3]_ eq. 10 and 15; its eq. 14 is fan_out).

    References
    ----------
    .. [1] LeCun, Bottou, Orr, Müller, "Efficient BackProp", 1998, Section 4.6.
    .. [2] Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
       networks", AISTATS 2010.
    .. [3] He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, arXiv:1502.01852.
    """

    gain: float | str | Activation = 1.0
    mode: str = "fan_in"
    distribution: str = "normal"

    def __post_init__(self) -> None:
        self._check_gain(minimum=0)
        one_of("mode", self.mode, ("fan_in", "fan_out", "fan_avg"))
        one_of("distribution", self.distribution, ("normal", "uniform"))

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        rows, fan_in = self._matrix(shape, kernel=True)
        fan_out = rows * math.prod(shape[2:])
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = _factor(self.gain) / math.sqrt(n)
        if self.distribution == "normal":
            return rng.normal(0.0, std, shape)
        bound = math.sqrt(3) * std
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """``w = gain Q`` with Q Haar distributed: every orthogonal matrix is equally likely.

    A weight ``(out, in, *kernel)`` is one matrix of ``(out, in * kernel)``: its rows are orthonormal
    when it is wide, its columns when it is tall. ``gain`` is a number or an activation's,
    ``Orthogonal("tanh")``; by the name "orthogonal" it is 1, as in PyTorch.

    References
    ----------
    Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", ICLR 2014, arXiv:1312.6120. Mezzadri, "How to generate random matrices
    from the classical compact groups", Notices of the AMS 54, 2007, "A correct and efficient
    algorithm": Q of a Gaussian's QR is Haar distributed only once the diagonal of R is positive.
    """

    gain: float | str | Activation = 1.0

    def __post_init__(self) -> None:
        self._check_gain()

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        rows, columns = self._matrix(shape, kernel=True)
        gaussian = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(gaussian)
        q *= _factor(self.gain) * np.copysign(1.0, np.diag(r))
        return (q if rows >= columns else q.T).reshape(shape)


@dataclass(frozen=True)
class Identity(Initializer):
    """``w[i, j] = gain`` where i = j, else 0, for a weight (out, in), square or not.

    References
    ----------
    Le, Jaitly, Hinton, "A simple way to initialize recurrent networks of rectified linear units",
    2015, arXiv:1504.00941.
    """

    gain: float | str | Activation = 1.0

    def __post_init__(self) -> None:
        self._check_gain()

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        return _factor(self.gain) * np.eye(*self._matrix(shape, kernel=False))


@dataclass(frozen=True)
class Sparse(Initializer):
    """``w ~ N(0, std²)``, then ``ceil(sparsity * out)`` random zeros in each column of (out, in).

    As ``torch.nn.init.sparse_``: the zeros are counted for each input. The ceiling makes a column
    of few rows all zeros: 0.9 does so up to 9 rows.

    References
    ----------
    Martens, "Deep learning via Hessian-free optimization", ICML 2010, "Random initialization"
    (which counts them for each unit, a row here).
    """

    sparsity: float = 0.1
    std: float = 0.01

    def __post_init__(self) -> None:
        self._check_real("sparsity", minimum=0, below=1)
        self._check_real("std", minimum=0)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        rows, columns = self._matrix(shape, kernel=False)
        first_rows = np.arange(rows)[:, None] < math.ceil(self.sparsity * rows)
        zero = rng.permuted(np.repeat(first_rows, columns, axis=1), axis=0)
        return np.where(zero, 0.0, rng.normal(0.0, self.std, shape))


@dataclass(frozen=True)
class Nielsen(Initializer):
    """``w ~ N(0, 1/fan_in)`` for a weight ``(out, in, *kernel)``, ``b ~ N(0, 1)`` for a bias ``(out,)``.

    References
    ----------
    Nielsen, "Neural Networks and Deep Learning", 2015, Chapter 3, "Weight initialization".
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        fan_in = math.prod(shape[1:])  # 1 for a bias
        return rng.normal(0.0, 1 / math.sqrt(fan_in), shape)


@dataclass(frozen=True)
class Critical(Initializer):
    """``w ~ N(0, σw²/fan_in)`` for a weight, ``b ~ N(0, σb²)`` for a bias (out,), on the edge of chaos.

    There a wide network neither shrinks nor grows gradients, however deep it is; σw and what is refused
    are those of `vgcore.meanfield.critical`. Give it to the weights and to the biases of each layer; the
    name "critical" is that of the layer's activation with σb = 0.

    Examples
    --------
    >>> edge = vg.initializers.Critical("tanh", sigma_b=0.3)
    >>> layer = vg.Dense(100, "tanh", weight_initializer=edge, bias_initializer=edge)
    """

    activation: str | Activation
    sigma_b: float = 0.0

    def __post_init__(self) -> None:
        meanfield.critical(self.activation, self.sigma_b)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        sigma_w, sigma_b, _ = meanfield.critical(self.activation, self.sigma_b)
        fan_in = math.prod(shape[1:])
        return rng.normal(0.0, sigma_b if len(shape) == 1 else sigma_w / math.sqrt(fan_in), shape)


@dataclass(frozen=True)
class Custom(Initializer):
    """The values of ``function(shape)`` or ``function(shape, rng, float64)``, cast to the model's dtype.

    A function gets the shape alone if it requires no more, such as `numpy.ones`; a second argument that
    is called ``rng`` or ``generator`` is given though it need not be.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function: expected a function, got {self.function!r}")

    def draw(self, shape: Shape, rng: np.random.Generator) -> Draw:
        more = (rng, np.dtype(np.float64)) if _takes_more(self.function) else ()
        values = array(f"{self}", self.function(shape, *more))
        if values.shape != shape:
            raise ValueError(f"{self}: expected values of shape {shape}, got shape {values.shape}")
        if values.dtype.kind not in "fiub":
            raise TypeError(f"{self}: expected real numbers, got {described(values)}")
        return np.array(values, np.float64)


def _takes_more(function: Callable[..., Any]) -> bool:
    """Whether it takes a generator and a dtype besides the shape."""
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of some functions in C
        return False
    if any(p.kind is p.VAR_POSITIONAL for p in given):
        return True
    more = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][1:]
    return any(p.default is p.empty or p.name in ("rng", "generator") for p in more)


_GAINS = {
    **dict.fromkeys(("identity", "linear", "sigmoid"), 1.0),
    **dict.fromkeys(("softplus", "softsign", "hard_sigmoid", "softmax", "softmin", "snake"), 1.0),
    **dict.fromkeys(
        ("relu", "leaky_relu", "relu6", "elu", "celu", "gelu", "gelu_tanh"), math.sqrt(2)
    ),
    **dict.fromkeys(("silu", "mish", "hard_swish"), math.sqrt(2)),
    "tanh": 5 / 3,
    "selu": 3 / 4,
}


def gain(activation: str | Activation, **params: float) -> float:
    """Return by how much a weight's standard deviation makes up for what ``activation`` takes.

    Parameters
    ----------
    activation : str or Activation
        identity, linear, sigmoid: 1; tanh: 5/3; relu: sqrt(2); leaky_relu: sqrt(2 / (1 + a²)),
        He et al. 2015, eq. 15; selu: 3/4 (for self-normalizing networks take lecun_normal). These
        are ``torch.nn.init.calculate_gain``'s. It lists no others; here elu, celu, relu6, gelu, gelu_tanh,
        silu, mish, hard_swish count as rectifiers, sqrt(2), and softplus, softsign, hard_sigmoid, snake,
        softmax, softmin leave the weight at 1. A formula f has 1 / sqrt(E f(Z)²), Z standard normal: what
        keeps the square of the outputs, as He's sqrt(2) does for relu.
    **params : float
        leaky_relu takes ``negative_slope``, its a (that of the Activation, or 0.01); the others take
        none.

    Raises
    ------
    ValueError, TypeError
        For an activation that is not listed, a parameter that it does not take.
    """
    if isinstance(activation, Formula):
        return _formula_gain(activation)
    if isinstance(activation, Activation):
        if activation.name == "leaky_relu":
            params.setdefault("negative_slope", activation.alpha)
        activation = activation.name
    value = _GAINS[one_of("activation", activation, _GAINS)]
    if activation == "leaky_relu":
        value /= math.hypot(1, real("negative_slope", params.pop("negative_slope", 0.01)))
    if params:
        raise TypeError(f"gain: {activation} takes no parameter {', '.join(params)}")
    return value


def _formula_gain(formula: Formula) -> float:
    square = meanfield.second_moment(formula)
    if not 0 < square < math.inf:
        raise ValueError(
            "activation: expected a formula with a mean square over the normal distribution, got "
            f"{formula!r}, whose is {square:g}"
        )
    return 1 / math.sqrt(square)


def _factor(given: float | str | Activation) -> float:
    """The number of a field ``gain``."""
    return gain(given) if isinstance(given, str | Activation) else given


_INITIALIZERS: dict[str, Callable[[str | Activation], Initializer]] = {
    "zeros": lambda _: Zeros(),
    "ones": lambda _: Ones(),
    "constant": lambda _: Constant(),
    "normal": lambda _: Normal(),
    "uniform": lambda _: Uniform(),
    "truncated_normal": lambda _: TruncatedNormal(),
    "xavier_normal": lambda _: VarianceScaling(1.0, "fan_avg", "normal"),
    "xavier_uniform": lambda _: VarianceScaling(1.0, "fan_avg", "uniform"),
    "he_normal": lambda activation: VarianceScaling(gain(activation), "fan_in", "normal"),
    "he_uniform": lambda activation: VarianceScaling(gain(activation), "fan_in", "uniform"),
    "lecun_normal": lambda _: VarianceScaling(1.0, "fan_in", "normal"),
    "lecun_uniform": lambda _: VarianceScaling(1.0, "fan_in", "uniform"),
    "orthogonal": lambda _: Orthogonal(),
    "identity": lambda _: Identity(),
    "sparse": lambda _: Sparse(),
    "nielsen": lambda _: Nielsen(),
    "critical": Critical,
}
_INITIALIZERS |= {
    "trunc_normal": _INITIALIZERS["truncated_normal"],
    "glorot_normal": _INITIALIZERS["xavier_normal"],
    "glorot_uniform": _INITIALIZERS["xavier_uniform"],
    "kaiming_normal": _INITIALIZERS["he_normal"],
    "kaiming_uniform": _INITIALIZERS["he_uniform"],
}


def names() -> list[str]:
    """Return the names that `get` accepts."""
    return list(_INITIALIZERS)


@lru_cache(maxsize=256)
def _named(name: str, activation: Activation) -> Initializer:
    """Return the initializer of a known name: once, for deep models ask often."""
    return _INITIALIZERS[name](activation)


def get(
    spec: Any, activation: str | Activation = "identity", argument: str = "initializer"
) -> Initializer:
    """Return the initializer that a user's argument means.

    ``spec`` is a name of `names`, an initializer, or a function of ``shape`` or of ``(shape, rng, dtype)``;
    ``activation`` is what follows the weight, its `gain` scales ``he_*`` and ``kaiming_*``, and
    ``critical`` is that of it;
    ``argument`` is the user's word for it: a ValueError (unknown name, with the near ones) or
    TypeError (anything else) starts with that.
    """
    if isinstance(spec, str):
        return _named(
            one_of(argument, spec, _INITIALIZERS), activations.get(activation, learned=True)
        )
    if isinstance(spec, Initializer):
        return spec
    if callable(spec) and not isinstance(spec, type):
        return Custom(spec)
    raise TypeError(
        f"{argument}: expected a name, an Initializer or a function of shape or (shape, rng, dtype), "
        f"got {spec!r}"
    )
