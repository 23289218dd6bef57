"""What `fit` and `evaluate` go through: samples that are all there, or minibatches that come one by one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _validate
from vgcore.model import inputs
from vgcore.model.inputs import ClassWeight, Data

if TYPE_CHECKING:
    from vgcore.model.session import Session

_KEYS = ("x", "y", "lengths", "sample_weight")


class Minibatches:
    """Minibatches of an iterable: pairs (x, y), or dicts with "x", "y", "lengths", "sample_weight".

    Attributes
    ----------
    argument : str
        What messages call the iterable.
    once : bool
        Whether it is an iterator, which can be gone through once.
    """

    def __init__(self, argument: str, given: Iterable[Any]) -> None:
        if not isinstance(given, Iterable) or isinstance(given, str | bytes):
            raise TypeError(
                f"{argument}: expected arrays x and y, or an iterable of minibatches (x, y), got "
                f"{_validate.kind(given)}{_instead(argument, given)}"
            )
        self.argument, self.given = argument, given
        self.once = isinstance(given, Iterator)
        if self.number() == 0:
            raise ValueError(f"{argument}: expected at least one minibatch, got none")

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What messages call each minibatch, and its parts by name."""
        for number, item in enumerate(self.given):
            place = f" of minibatch {number}"
            yield place, parts(f"{self.argument}, minibatch {number}", item)

    def number(self) -> int | None:
        """How many there are, where that is known."""
        try:
            return len(self.given) if isinstance(self.given, Sized) else None
        except TypeError:  # of a DataLoader whose data set has no length
            return None


def _instead(argument: str, given: Any) -> str:
    """What to say in the place of something that makes minibatches and is none: a function, or a data set."""
    if inspect.isroutine(given):
        return f"; call it: {argument}=function()"
    if hasattr(given, "__getitem__") and isinstance(given, Sized):
        return "; torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True) makes one of a data set"
    return ""


def parts(argument: str, item: Any) -> dict[str, Any]:
    """The parts of a minibatch by name."""
    if isinstance(item, Mapping):
        unknown = [key for key in item if key not in _KEYS]
        if unknown or not {"x", "y"} <= item.keys():
            raise ValueError(
                f"{argument}: expected a dict with 'x', 'y' and, where there are any, 'lengths' and "
                f"'sample_weight', got {', '.join(map(repr, item)) or 'none'}"
            )
        return dict(item)
    if not isinstance(item, tuple | list) or len(item) != 2:
        came = f"{len(item)} items" if isinstance(item, tuple | list) else _validate.kind(item)
        raise TypeError(
            f"{argument}: expected (x, y) or a dict with 'x', 'y', 'lengths', 'sample_weight', got {came}"
        )
    return {"x": item[0], "y": item[1]}


def checked(
    session: Session, given: Mapping[str, Any], suffix: str, class_weight: ClassWeight = None
) -> Data:
    """A minibatch as the engine reads it."""
    data = inputs.with_targets(
        session,
        given["x"],
        given["y"],
        given.get("lengths"),
        given.get("sample_weight"),
        suffix=suffix,
        whole=False,
    )
    return inputs.by_class(session, data, class_weight)


def refuse_with_minibatches(**arguments: Any) -> None:
    """Raise for an argument, given beside an iterable, that needs all samples or belongs into minibatches."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"{name}: expected None, for x is an iterable of minibatches, "
                f"{'which hold theirs' if name in _KEYS else 'of which the samples are not all there'}; got "
                f"{_validate.kind(value)}"
            )


def given_validation(session: Session, given: Any, epochs: int) -> Data | Minibatches | None:
    """``validation_data`` of `Sequential.fit`."""
    if given is None:
        return None
    argument, suffix = "validation_data", " of validation_data"
    if isinstance(given, tuple) and len(given) == 3:
        given = dict(zip(_KEYS, given, strict=False))
    if isinstance(given, tuple | Mapping) or _is_pair(given):
        return checked(session, parts(argument, given), suffix)
    if isinstance(given, np.ndarray):
        raise TypeError(f"{argument}: expected a pair (x, y), got an array")
    coming = Minibatches(argument, given)
    if coming.once and epochs > 1:
        raise ValueError(
            f"{argument}: expected what can be gone through once an epoch, such as a list or a DataLoader, "
            "got an iterator"
        )
    return coming


def is_minibatch(item: Any) -> bool:
    """Whether an item of a list is a minibatch: (x, y), [x, y] of arrays, or a dict."""
    is_arrays = isinstance(item, list) and len(item) == 2 and hasattr(item[0], "__array__")
    return is_arrays or isinstance(item, tuple | Mapping)


def _is_pair(given: Any) -> bool:
    """Whether a list is [x, y] and not one of minibatches."""
    return isinstance(given, list) and len(given) == 2 and not all(map(is_minibatch, given))


def split(data: Data, share: float) -> tuple[Data, Data]:
    """All samples but the last ``share`` of them, and these."""
    share = _validate.real("validation_split", share, above=0, below=1)
    samples = len(data.x)
    at = math.floor(samples * (1 - share) + 1e-9)  # 0.9 of 10 is 1, as it is written
    if not 0 < at < samples:
        raise ValueError(
            f"validation_split: expected a share that leaves samples on both sides, got {share} of {samples}"
        )
    return part(data, slice(at)), part(data, slice(at, None))


def part(data: Data, which: slice) -> Data:
    """Some of the samples."""
    cut: Callable[[Any], Any] = lambda array: None if array is None else array[which]  # noqa: E731
    return data._replace(
        x=cut(data.x), y=cut(data.y), lengths=cut(data.lengths), weights=cut(data.weights)
    )
