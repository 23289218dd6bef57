"""The data of many models: one for all, or one for each; checked once where several read the same."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vgcore.model import Sequential, inputs, minibatches
from vgcore.model.inputs import Data
from vgcore.model.minibatches import Minibatches
from vgcore.model.session import Session
from vgcore.model.sources import Samples, Stream


class Given:
    """What `fit_many` was given for each of its models."""

    def __init__(
        self, models: Sequence[Sequential], x: Any, y: Any, validation: Any, epochs: int
    ) -> None:
        self._sessions = [model.session for model in models]
        number = len(models)
        each = _is_x_for_each(x, y, self._sessions)
        self._x = _spread("x", x, each, number)
        self._y = _spread("y", y, _is_y_for_each(y, x, each, number), number)
        each = each and isinstance(validation, list)
        self._validation = _spread("validation_data", validation, each, number)
        self._passes = epochs if each else epochs * number  # through validation data
        self._checked: list[tuple[Any, Any, Data]] = []
        _refuse_again("x", self._x)

    def source(self, place: int, batch_size: int, shuffle: bool) -> Samples | Stream:
        """What a model's `fit` goes through."""
        session, x, y = self._sessions[place], self._x[place], self._y[place]
        if y is None and not isinstance(x, np.ndarray):
            return Stream(session, Minibatches("x", x), None)
        data = self._once(session, (x, y), lambda: inputs.with_targets(session, x, y))
        return Samples(session, data, batch_size, shuffle, False)

    def validation(self, place: int) -> Data | Minibatches | None:
        """A model's validation data."""
        session, given = self._sessions[place], self._validation[place]
        checked: Data | Minibatches | None = self._once(
            session,
            (given,),
            lambda: minibatches.given_validation(session, given, self._passes),
        )
        return checked

    def _once(self, session: Session, given: tuple[Any, ...], check: Callable[[], Any]) -> Any:
        """What ``check`` makes of the data for the first model of a kind; samples are all models' of it."""
        kind = inputs.kind_of(session)
        for known, before, data in self._checked:
            if (
                known == kind
                and len(before) == len(given)
                and all(map(operator.is_, before, given))
            ):
                return data._replace(compiled=session.compiled)
        data = check()
        if isinstance(data, Data):
            self._checked.append((kind, given, data))
        return data


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
    return isinstance(item, Mapping)


def _is_y_for_each(y: Any, x: Any, x_for_each: bool, number: int) -> bool:
    """Whether y is a list of targets of all samples each, and not of targets of a sample each."""
    if not isinstance(y, list | tuple) or not y:
        return False
    if x_for_each:
        return all(hasattr(item, "__len__") for item in y)
    try:
        samples = len(x)
        each = all(hasattr(item, "ndim") and len(item) == samples for item in y)
    except TypeError:  # an array without axes
        return False
    return each and (len(y) == number or len(y) != samples)


def _spread(argument: str, given: Any, for_each: bool, number: int) -> list[Any]:
    """What is for each model."""
    if not for_each:
        return [given] * number
    if len(given) != number:
        raise ValueError(
            f"{argument}: expected one for all, or a list with one for each of the {number} models, got "
            f"{len(given)}"
        )
    return list(given)


def _refuse_again(argument: str, given: Sequence[Any]) -> None:
    """Raise if an iterator, which can be gone through once, is for more than one model."""
    again = repeated(each if isinstance(each, Iterator) else None for each in given)
    if again is not None:
        raise ValueError(
            f"{argument}: expected what can be gone through once for each model, such as a list or a "
            f"DataLoader, got an iterator for models[{again[0]}] and models[{again[1]}]"
        )


def repeated(objects: Iterable[object]) -> tuple[int, int] | None:
    """The places of the first object that is there twice, be it not None."""
    places: dict[int, int] = {}
    for place, each in enumerate(objects):
        before = places.setdefault(id(each), place)
        if before != place and each is not None:
            return before, place
    return None
