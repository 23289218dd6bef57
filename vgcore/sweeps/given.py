"""The data of many models: one for all, or one for each; checked once where several read the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vgcore.model import Sequential, divergence, inputs, minibatches
from vgcore.model.feeding import Feed, Parts, Passes
from vgcore.model.inputs import Data
from vgcore.model.minibatches import Minibatches
from vgcore.model.session import Session
from vgcore.model.sources import Samples, Stream

_BY_SAMPLE = ("y", "lengths", "sample_weight")  # what has a row per sample


class Given:
    """What `fit_many` was given for each of its models."""

    def __init__(self, models: Sequence[Sequential], feed: Feed, passes: Passes) -> None:
        self._sessions, self._passes = [model.session for model in models], passes
        number = len(models)
        each = _is_x_for_each(feed.x, feed.y, self._sessions)
        for_each = {
            "x": each,
            **{
                name: _is_for_each(getattr(feed, name), feed.x, each, number) for name in _BY_SAMPLE
            },
            "class_weight": isinstance(feed.class_weight, list | tuple),
            "validation_data": each and isinstance(feed.validation_data, list),
            "validation_split": False,
        }
        columns = [
            spread(name, given, for_each[name], number) for name, given in feed._asdict().items()
        ]
        self._feeds = [Feed(*row) for row in zip(*columns, strict=True)]
        sharing = 1 if for_each["validation_data"] else number
        self._validations = len(passes.epochs) * sharing
        self._checked: dict[tuple[int, ...], list[tuple[Any, tuple[Any, ...], Parts]]] = {}
        _check_shared(self._feeds)

    def opened(self, place: int) -> tuple[Samples | Stream, Data | Minibatches | None]:
        """What a model's `fit` goes through, and what it is validated on."""
        session = self._sessions[place]
        return self._feeds[place].opened(session, self._passes, self._validations, self._once)

    def _once(self, session: Session, given: tuple[Any, ...], check: Callable[[], Parts]) -> Parts:
        """What ``check`` makes of the data for the first model of a kind; samples are all models' of it."""
        kind = inputs.kind_of(session)
        checked = self._checked.setdefault(tuple(map(id, given)), [])
        for known, _, made in checked:
            if known == kind:
                return tuple(
                    part._replace(compiled=session.compiled) if isinstance(part, Data) else part
                    for part in made
                )
        made = check()
        checked.append((kind, given, made))  # which keeps what is given, and so its id
        return made


def _is_x_for_each(x: Any, y: Any, sessions: Sequence[Session]) -> bool:
    """Whether x is a list of arrays of samples or, without y, of iterables of minibatches."""
    if not isinstance(x, list | tuple) or not x:
        return False
    if y is None:
        return not any(map(_is_minibatch, x))
    axes = {len(session.input_shape) + 1 for session in sessions}
    return all(getattr(item, "ndim", None) in axes for item in x)


def _is_minibatch(item: Any) -> bool:
    """Whether it is a minibatch, and not a few of them."""
    if isinstance(item, tuple):
        return not all(isinstance(part, tuple | Mapping) for part in item)
    return minibatches.is_minibatch(item)


def _is_for_each(given: Any, x: Any, x_for_each: bool, number: int) -> bool:
    """Whether what has a row per sample is a list of such for all samples each, and not of the rows."""
    if not isinstance(given, list | tuple) or not given:
        return False
    there = [item for item in given if item is not None]
    if x_for_each:
        return all(hasattr(item, "__len__") for item in there)
    try:
        samples = len(x)
        each = all(hasattr(item, "ndim") and len(item) == samples for item in there)
    except TypeError:  # an array without axes, or x without a length
        return False
    return each and (len(given) == number or len(given) != samples)


def spread(argument: str, given: Any, for_each: bool, number: int) -> list[Any]:
    """What is for each model."""
    if not for_each:
        return [given] * number
    if len(given) != number:
        raise ValueError(
            f"{argument}: expected one for all, or a list with one for each of the {number} models, got "
            f"{len(given)}"
        )
    return list(given)


def _check_shared(feeds: Sequence[Feed]) -> None:
    """Raise if an iterator, which can be gone through once, is for more than one model; warn of what may give
    each of them other minibatches.
    """
    for argument in ("x", "validation_data"):
        given = [getattr(feed, argument) for feed in feeds]
        again = repeated(each if isinstance(each, Iterator) else None for each in given)
        if again is not None:
            raise ValueError(
                f"{argument}: expected what can be gone through once for each model, such as a list or a "
                f"DataLoader, got an iterator for models[{again[0]}] and models[{again[1]}]"
            )
    streams = [feed.x for feed in feeds if feed.y is None and not isinstance(feed.x, np.ndarray)]
    again = repeated(None if isinstance(stream, list | tuple) else stream for stream in streams)
    if again is not None:
        divergence.warn_caller(
            f"x is one {type(streams[again[0]]).__name__} for several models: where what it gives depends on "
            "how often it was asked, as where a DataLoader shuffles, they get other minibatches than alone; "
            "pass a list of minibatches, or one iterable for each model"
        )


def repeated(objects: Iterable[object]) -> tuple[int, int] | None:
    """The places of the first object that is there twice, be it not None."""
    places: dict[int, int] = {}
    for place, each in enumerate(objects):
        before = places.setdefault(id(each), place)
        if before != place and each is not None:
            return before, place
    return None
