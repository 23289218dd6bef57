"""What `fit` is fed with: its arguments, as what it goes through and what it is validated on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.model import divergence, inputs, minibatches
from vgcore.model.inputs import Data
from vgcore.model.minibatches import Minibatches
from vgcore.model.sources import Samples, Stream

if TYPE_CHECKING:
    from vgcore.model.session import Session

Parts = tuple[Data | Minibatches | None, ...]
Once = Callable[["Session", tuple[Any, ...], Callable[[], Parts]], Parts]


class Passes(NamedTuple):
    """Which passes `fit` makes over the samples, and in what minibatches."""

    epochs: range
    batch_size: int
    shuffle: bool
    drop_last: bool

    @classmethod
    def checked(
        cls, epochs: int, batch_size: int, shuffle: bool, drop_last: bool, initial_epoch: int
    ) -> Passes:
        """Make it of arguments of `fit`."""
        epochs = _validate.integer("epochs", epochs, minimum=1)
        batch_size = _validate.integer("batch_size", batch_size, minimum=1)
        _validate.boolean("shuffle", shuffle)
        _validate.boolean("drop_last", drop_last)
        first = _validate.integer("initial_epoch", initial_epoch, minimum=0, maximum=epochs)
        return cls(range(first, epochs), batch_size, shuffle, drop_last)


def _now(session: Session, given: tuple[Any, ...], check: Callable[[], Parts]) -> Parts:
    return check()


class Feed(NamedTuple):
    """Arguments of `fit` that are data, or say what becomes of them."""

    x: Any
    y: Any
    lengths: Any
    sample_weight: Any
    class_weight: Any
    validation_data: Any
    validation_split: Any

    def opened(
        self, session: Session, passes: Passes, validations: int, once: Once = _now
    ) -> tuple[Samples | Stream, Data | Minibatches | None]:
        """What a model goes through, and what it is validated on.

        ``validations``: how often ``validation_data`` are gone through. ``once``: calls the check of what is
        given, or has its result of another model of the same kind.
        """
        source: Samples | Stream
        validation: Data | Minibatches | None = None
        if self.y is None and not isinstance(self.x, np.ndarray):
            source = self._stream(session, passes)
        else:
            given = self._replace(validation_data=None)
            data, validation = once(session, given, lambda: self._samples(session))
            assert isinstance(data, Data)
            source = Samples(session, data, passes.batch_size, passes.shuffle, passes.drop_last)
        if self.validation_data is None:
            return source, validation
        if validation is not None:
            raise ValueError("validation_split: expected None beside validation_data, got both")
        (validation,) = once(
            session,
            (self.validation_data, self.lengths),
            lambda: (self._validation(session, validations),),
        )
        return source, validation

    def _stream(self, session: Session, passes: Passes) -> Stream:
        """The minibatches of an iterable."""
        minibatches.refuse_with_minibatches(
            lengths=self.lengths,
            sample_weight=self.sample_weight,
            validation_split=self.validation_split,
            drop_last=passes.drop_last or None,
        )
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight: expected a dict, for x is an iterable of minibatches, whose classes are not "
                "counted yet; got 'balanced'"
            )
        return Stream(session, Minibatches("x", self.x), self.class_weight)

    def _samples(self, session: Session) -> tuple[Data, Data | None]:
        """The samples to train with, and those that are kept for validation."""
        data = inputs.with_targets(session, self.x, self.y, self.lengths, self.sample_weight)
        kept = None
        if self.validation_split is not None:
            data, kept = minibatches.split(data, self.validation_split)
        data = inputs.by_class(session, data, self.class_weight)
        if data.weights is not None:
            weighing = "sample_weight" if self.class_weight is None else "class_weight"
            inputs.check_some(weighing, data.weights, data.lengths)
        return data, kept

    def _validation(self, session: Session, times: int) -> Data | Minibatches | None:
        """The data that are given for validation, to be gone through so many times."""
        validation = minibatches.given_validation(session, self.validation_data, times)
        if self.lengths is not None and isinstance(validation, Data) and validation.lengths is None:
            divergence.warn_caller(
                "lengths are given, and none in validation_data, where padding would count; pass (x, y, "
                "lengths)"
            )
        return validation
