"""The runs of a sweep: which configurations a grid has, and of each run its name and its seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from vgcore import _validate

Config = dict[str, Any]

COLUMNS = ("repeat", "seed", "status", "run_seconds", "host", "cpu_level")
"""What a table has beside configurations and results."""

_MOST = 10**6  # configurations


class Run(NamedTuple):
    """A configuration, as canonical JSON, and which of its repeats it is."""

    config: str
    repeat: int

    @property
    def id(self) -> str:
        """The same on every machine, in every order of the grid."""
        return self._digest()[:16]

    @property
    def seed(self) -> int:
        """Of 32 bits, which every library takes."""
        return int(self._digest()[16:24], 16)

    def _digest(self) -> str:
        return hashlib.sha256(f"[{self.config},{self.repeat}]".encode()).hexdigest()


@dataclass(frozen=True)
class Draws:
    """Random numbers, made by `uniform` and `loguniform`."""

    low: float
    high: float
    n: int
    seed: int
    log: bool

    def of(self, name: str) -> list[float]:
        """The numbers that a name of the grid gets: the first are the same, however many there are.

        Made of a bit generator's own bits, which no version of NumPy changes, and rounded to six digits,
        which hides how a machine's exponential rounds.
        """
        source = np.random.PCG64([self.seed, *name.encode()])
        shares = [int(bits) / 2**64 for bits in source.random_raw(self.n)]
        if self.log:
            width = math.log(self.high / self.low)
            drawn = [self.low * math.exp(share * width) for share in shares]
        else:
            drawn = [self.low + share * (self.high - self.low) for share in shares]
        return [min(max(float(f"{each:.6g}"), self.low), self.high) for each in drawn]


@dataclass(frozen=True)
class When:
    """Values of a name that only some configurations have, made by `when`."""

    values: Any
    condition: Callable[[Config], Any] | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, config: Config) -> bool:
        """Whether a configuration, as far as it is made, has the name."""
        for name, value in self.equal.items():
            if name not in config:
                return False
            if config[name] not in (value if isinstance(value, list | tuple) else [value]):
                return False
        return self.condition is None or bool(self.condition(dict(config)))


def uniform(low: float, high: float, n: int, *, seed: int = 0) -> Draws:
    """Draw n numbers evenly, for a name of a `vgcore.sweep`'s grid.

    The draws of a grid go together: its first configuration has the first of each name, and so on, as in a
    random search; what is no draw is combined with all of them. More draws begin with the same.

    Parameters
    ----------
    low, high : float, low < high
    n : int, >= 1
        The same for all draws of a grid.
    seed : int, >= 0
        Names get other numbers from the same seed.
    """
    low, high = _validate.real("low", low), _validate.real("high", high)
    if not low < high:
        raise ValueError(f"low: expected less than high={high:g}, got {low:g}")
    return _draws(low, high, n, seed, log=False)


def loguniform(low: float, high: float, n: int, *, seed: int = 0) -> Draws:
    """Draw n numbers whose logarithms are even, such as learning rates; else as `uniform`.

    Parameters
    ----------
    low, high : float, 0 < low < high
    n : int, >= 1
    seed : int, >= 0
    """
    low, high = _validate.real("low", low, above=0), _validate.real("high", high)
    if not low < high:
        raise ValueError(f"low: expected less than high={high:g}, got {low:g}")
    return _draws(low, high, n, seed, log=True)


def _draws(low: float, high: float, n: int, seed: int, *, log: bool) -> Draws:
    n = _validate.integer("n", n, minimum=1, maximum=_MOST)
    return Draws(low, high, n, _validate.integer("seed", seed, minimum=0), log)


def when(values: Any, condition: Callable[[Config], Any] | None = None, /, **equal: Any) -> When:
    """Give a name of a `vgcore.sweep`'s grid to some configurations alone; others do not have it.

    Parameters
    ----------
    values : list, range or draws
    condition : callable, optional
        ``condition(config)`` of what stands before this name in the grid.
    **equal
        Values that names before this one have; a list: one of these.

    Examples
    --------
    >>> grid = {
    ...     "optimizer": ["sgd", "adam"],
    ...     "momentum": vg.sweeps.when([0.5, 0.9], optimizer="sgd"),
    ... }
    """
    if condition is not None and not callable(condition):
        raise TypeError(f"condition: expected a function of the configuration, got {condition!r}")
    if condition is None and not equal:
        raise ValueError("condition: expected a function, or names and their values, got none")
    return When(values, condition, equal)


def configurations(grid: Any, where: Callable[[Config], Any] | None = None) -> list[str]:
    """Every configuration of a grid, once, as canonical JSON."""
    if not isinstance(grid, Mapping):
        raise TypeError(f"grid: expected a dict of names and values, got {_validate.kind(grid)}")
    if where is not None and not callable(where):
        raise TypeError(f"where: expected a function of the configuration, got {where!r}")
    known: set[str] = set()
    numbers: set[int] = set()
    made: list[tuple[Config, int | None]] = [({}, None)]
    for name, given in grid.items():
        _check_name(name)
        axis = given if isinstance(given, When) else When(given)
        late = axis.equal.keys() - known
        if late:
            raise ValueError(
                f"grid[{name!r}]: expected conditions of names before it, got {min(late)!r}"
            )
        drawn = isinstance(axis.values, Draws)
        values = axis.values.of(name) if drawn else _values(name, axis.values)
        numbers |= {len(values)} if drawn else set()
        if len(numbers) > 1:
            raise ValueError(
                f"grid[{name!r}]: expected as many draws as other names have, got {axis.values.n}"
            )
        having = [axis.holds(config) for config, _ in made]
        own = sum(has for has, (_, place) in zip(having, made, strict=True) if place is not None)
        if (sum(having) - own * drawn) * len(values) + own * drawn > _MOST:
            raise ValueError(f"grid: expected at most {_MOST:,} configurations, got more")
        made = list(_extended(made, having, name, values, drawn))
        known.add(name)
    configs = [config for config, _ in made if config]
    if not configs:
        raise ValueError(f"grid: expected at least one configuration, got none of {grid!r}")
    if where is not None:
        configs = [config for config in configs if where(dict(config))]
        if not configs:
            raise ValueError("where: expected at least one configuration to be left, got none")
    return list(dict.fromkeys(map(canonical, configs)))


def _extended(
    made: list[tuple[Config, int | None]],
    having: list[bool],
    name: str,
    values: list[Any],
    drawn: bool,
) -> Iterator[tuple[Config, int | None]]:
    """Each configuration with each value of one more name, if it has that; of draws that of its own place."""
    for (config, place), has in zip(made, having, strict=True):
        if not has:
            yield config, place
            continue
        places: Any = range(len(values)) if place is None or not drawn else (place,)
        for each in places:
            yield {**config, name: values[each]}, each if drawn else place


def canonical(config: Config) -> str:
    """A configuration in JSON that does not depend on the order of its names."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _check_name(name: Any) -> None:
    _validate.name("grid", name)
    if name in COLUMNS:
        raise ValueError(f"grid: expected names other than the table's own, got {name!r}")


def _values(name: str, given: Any) -> list[Any]:
    argument = f"grid[{name!r}]"
    expected = "a list, a range, or draws"
    values = [
        plain(f"{argument}[{place}]", each)
        for place, each in enumerate(_validate.items(argument, given, expected))
    ]
    if not values:
        raise ValueError(f"{argument}: expected at least one value, got none")
    return values


def plain(argument: str, value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [plain(f"{argument}[{place}]", each) for place, each in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(f"{argument}[{key!r}]", each) for key, each in value.items()}
    raise TypeError(
        f"{argument}: expected a finite number, str, bool or None, or lists and dicts of such, got "
        f"{value!r} ({type(value).__name__})"
    )
