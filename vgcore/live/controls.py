"""Controls of a live page: each has a name, says what values it has, and checks what the page sends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from vgcore import _validate

Condition = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Control:
    """What all controls have in common.

    Attributes
    ----------
    name : str
        Of its value among those that a frame is made from.
    label : str
        Beside it; left out, the name in words.
    group : str
        Heading that it stands under.
    when : dict of str to sequence, or list of such
        Values of other controls with which it is shown; of several such conditions, one has to hold.
    help : str
        A sentence about it.
    """

    name: str
    label: str = field(default="", kw_only=True)
    group: str = field(default="", kw_only=True)
    when: Condition | Sequence[Condition] = field(default=(), kw_only=True)
    help: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check the name, and make a label of it."""
        _validate.name("name", self.name)
        if not self.label:
            object.__setattr__(self, "label", self.name.replace("_", " "))

    @property
    def default(self) -> Any:
        """The value that it begins with."""
        raise NotImplementedError

    @property
    def conditions(self) -> list[Condition]:
        """Of which one has to hold for it to be shown; where there is none, it always is."""
        return [self.when] if isinstance(self.when, Mapping) else [*self.when]

    def is_shown(self, values: Mapping[str, Any]) -> bool:
        """Whether it is shown with the values of all controls."""
        return not self.conditions or any(
            all(values[name] in some for name, some in each.items()) for each in self.conditions
        )

    def checked(self, value: Any) -> Any:
        """A value that the page has sent, as frames take it; TypeError, ValueError if there is none such."""
        raise NotImplementedError

    def shown(self) -> dict[str, Any]:
        """What the page is told of it."""
        conditions = [
            {name: [*values] for name, values in each.items()} for each in self.conditions
        ]
        told = {
            "name": self.name,
            "label": self.label,
            "value": self.default,
            "when": conditions,
        }
        if self.group:
            told["group"] = self.group
        if self.help:
            told["help"] = self.help
        return told


@dataclass(frozen=True)
class Slider(Control):
    """A number from ``low`` to ``high``, or one of ``values``.

    Attributes
    ----------
    low, high : float
        Ends of the slider.
    value : float
        Where it begins; left out, at ``low``.
    step : float, optional
        Distance between its values; left out, the slider is divided into 200, evenly or, with ``log``, by
        equal factors.
    log : bool
        Whether equal distances are equal factors.
    integer : bool
        Whether its values are whole numbers.
    values : sequence of float, optional
        All that there are, rising: it snaps from each to the next, and ``low`` and ``high`` are theirs.

    Examples
    --------
    >>> import vgcore as vg
    >>> depth = vg.live.Slider("depth", 1, 50, 10, integer=True)
    >>> rate = vg.live.Slider("rate", 1e-4, 1.0, 0.01, log=True)
    >>> width = vg.live.Slider("width", values=[10, 30, 100], integer=True)
    """

    low: float = 0.0
    high: float = 1.0
    value: float | None = None
    step: float | None = field(default=None, kw_only=True)
    log: bool = field(default=False, kw_only=True)
    integer: bool = field(default=False, kw_only=True)
    values: Iterable[float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Check that there is room between the ends, with the value in it."""
        super().__post_init__()
        if self.values is not None:
            values = self._rising(self.values)
            for name, value in (("values", values), ("low", values[0]), ("high", values[-1])):
                object.__setattr__(self, name, value)
        low = _validate.real("low", self.low)
        high = _validate.real("high", self.high, above=low)
        if _validate.boolean("log", self.log) and low <= 0:
            raise ValueError(f"low: expected a number above 0 on a logarithmic slider, got {low}")
        if self.value is not None:
            _validate.real("value", self.value, minimum=low, maximum=high)
        if self.step is not None:
            _validate.real("step", self.step, above=0)
        if _validate.boolean("integer", self.integer):
            for name, number in (("low", low), ("high", high), ("value", self.value)):
                if number is not None and number != round(number):
                    raise ValueError(f"{name}: expected a whole number, got {number}")
        if self.values is not None and self.value is not None:
            self._one("value", self.value)

    @property
    def default(self) -> float:
        """The value that it begins with."""
        return self._kind(self.low if self.value is None else self.value)

    def checked(self, value: Any) -> float:
        """Return the number, if it is one between the ends."""
        if self.integer:
            low, high = math.ceil(self.low), math.floor(self.high)
            number: float = _validate.integer(self.name, value, minimum=low, maximum=high)
        else:
            number = _validate.real(self.name, value, minimum=self.low, maximum=self.high)
        return number if self.values is None else self._one(self.name, number)

    def shown(self) -> dict[str, Any]:
        """What the page is told of it."""
        ends = {"low": self._kind(self.low), "high": self._kind(self.high)}
        told = {**super().shown(), "kind": "slider", **ends, "log": self.log}
        told |= {"integer": self.integer, "step": self.step}
        return told if self.values is None else {**told, "values": [*self.values]}

    def _rising(self, given: Iterable[float]) -> list[float]:
        """The values, checked."""
        items = _validate.items("values", given, "a list of numbers")
        if self.integer:
            least = -(2**31)
            values: list[float] = [
                _validate.integer("values", each, minimum=least) for each in items
            ]
        else:
            values = [_validate.real("values", each) for each in items]
        if len(values) < 2 or any(below >= above for below, above in pairwise(values)):
            raise ValueError(f"values: expected two rising numbers or more, got {values}")
        return values

    def _one(self, argument: str, number: float) -> float:
        """Return the number, if it is one of the values."""
        values = [*(self.values or ())]
        if number not in values:
            told = ", ".join(f"{each:g}" for each in values)
            raise ValueError(f"{argument}: expected one of {told}; got {number:g}")
        return number

    def _kind(self, value: float) -> float:
        return round(value) if self.integer else float(value)


@dataclass(frozen=True)
class Choice(Control):
    """One of several.

    Attributes
    ----------
    options : sequence of str, or dict of str to str
        Values; of a dict, with the text that the page shows for each.
    value : str
        Which it begins with; left out, the first.
    """

    options: Iterable[str] = ()
    value: str | None = None

    def __post_init__(self) -> None:
        """Check that there are options, and the value is one of them."""
        super().__post_init__()
        texts = dict(self.options) if isinstance(self.options, Mapping) else None
        given = texts or {each: each for each in self.options}
        if not given:
            raise ValueError("options: expected at least one, got none")
        for each in given:
            _validate.name("options", each)
        object.__setattr__(self, "options", given)
        if self.value is not None:
            _validate.one_of("value", self.value, given)

    @property
    def default(self) -> str:
        """The value that it begins with."""
        return next(iter(self.options)) if self.value is None else self.value

    def checked(self, value: Any) -> str:
        """Return the value, if it is one of the options."""
        return _validate.one_of(self.name, value, self.options)

    def shown(self) -> dict[str, Any]:
        """What the page is told of it."""
        assert isinstance(self.options, Mapping)
        return {**super().shown(), "kind": "choice", "options": [*self.options.items()]}


@dataclass(frozen=True)
class Switch(Control):
    """On or off.

    Attributes
    ----------
    value : bool
        Whether it begins on.
    """

    value: bool = False

    def __post_init__(self) -> None:
        """Check the value."""
        super().__post_init__()
        _validate.boolean("value", self.value)

    @property
    def default(self) -> bool:
        """The value that it begins with."""
        return self.value

    def checked(self, value: Any) -> bool:
        """Return the value, if it is a bool."""
        return _validate.boolean(self.name, value)

    def shown(self) -> dict[str, Any]:
        """What the page is told of it."""
        return {**super().shown(), "kind": "switch"}


@dataclass(frozen=True)
class Text(Control):
    """A line of text.

    Attributes
    ----------
    value : str
        What it begins with.
    longest : int
        Characters that it may have.
    """

    value: str = ""
    longest: int = field(default=200, kw_only=True)

    def __post_init__(self) -> None:
        """Check the value."""
        super().__post_init__()
        _text("value", self.value)

    @property
    def default(self) -> str:
        """The value that it begins with."""
        return self.value

    def checked(self, value: Any) -> str:
        """Return the text, if it is one that is not too long."""
        text = _text(self.name, value)
        if len(text) > self.longest:
            raise ValueError(
                f"{self.name}: expected at most {self.longest} characters, got {len(text)}"
            )
        return text

    def shown(self) -> dict[str, Any]:
        """What the page is told of it."""
        return {**super().shown(), "kind": "text", "longest": self.longest}


class InvalidError(ValueError):
    """A value that a control has not: ``control`` is its name, ``side`` of which network it is."""

    def __init__(self, message: str, control: str = "") -> None:
        super().__init__(message)
        self.control, self.side = control, 0


@contextmanager
def on_side(side: int) -> Iterator[None]:
    """Let an `InvalidError` say of which network it is."""
    try:
        yield
    except InvalidError as error:
        error.side = side
        raise


def checked(controls: Iterable[Control], given: Any) -> dict[str, Any]:
    """The values of controls that a page has sent, defaults where it has sent none.

    Raises
    ------
    InvalidError
        If it has sent something else.
    """
    if not isinstance(given, Mapping):
        raise InvalidError(f"settings: expected names and values, got {_validate.kind(given)}")
    values = {}
    for each in controls:
        try:
            values[each.name] = each.checked(given.get(each.name, each.default))
        except (TypeError, ValueError) as error:
            raise InvalidError(str(error), each.name) from None
    unknown = [name for name in given if name not in values]
    if unknown:
        raise InvalidError(f"settings: expected {', '.join(values)}; got {unknown[0]!r:.60}")
    return values


def _text(argument: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected a str, got {value!r:.80} ({type(value).__name__})")
    return value
