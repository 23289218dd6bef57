"""What `fit` goes through: samples that are all there, or minibatches that come one by one, as steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from vgcore.model import inputs, minibatches
from vgcore.model.inputs import ClassWeight, Data
from vgcore.model.minibatches import Minibatches
from vgcore.model.steps import Steps, of_pass

if TYPE_CHECKING:
    from vgcore.model.session import Session


class Samples:
    """Samples that are all there, in minibatches."""

    once = False

    def __init__(
        self, session: Session, data: Data, batch_size: int, shuffle: bool, drop_last: bool
    ) -> None:
        samples = len(data.x)
        if drop_last and samples < batch_size:
            raise ValueError(
                f"drop_last: expected False, for {samples} samples are less than a minibatch of {batch_size}"
            )
        self.session, self.data, self.shuffle = session, data, shuffle
        self.batch = min(batch_size, samples)
        self.used = samples - samples % batch_size if drop_last else samples
        if self.used < samples and not shuffle:
            self.data = minibatches.part(data, slice(self.used))
        if session.stateful:
            _check_stateful(self.used, self.batch, shuffle)
        inputs.check_rows(session, minibatches.part(data, slice(self.used)), batch_size)

    def parts(self) -> Iterator[tuple[Data, Steps]]:
        """The samples and the steps of one epoch."""
        order = None
        if self.shuffle:
            shuffled = self.session.rng.permutation(len(self.data.x))
            order = shuffled[: self.used].astype(np.int64, copy=False)
        yield self.data, of_pass(self.session, self.data, self.batch, order=order)

    def steps(self, done: int, epochs_left: int) -> int:
        """Steps of all epochs that are left, of which one makes ``done``."""
        return done * epochs_left

    def ahead(self, epochs: int) -> int | None:
        """Steps of so many epochs, before the first."""
        return len(of_pass(self.session, self.data, self.batch).places) * epochs


class Stream:
    """Minibatches that come one by one."""

    def __init__(self, session: Session, given: Minibatches, class_weight: ClassWeight) -> None:
        self.session, self.given, self.class_weight = session, given, class_weight
        self.once = given.once

    def parts(self) -> Iterator[tuple[Data, Steps]]:
        """Each minibatch of one epoch, and its steps."""
        for place, minibatch in self.given:
            data = minibatches.checked(self.session, minibatch, place, self.class_weight)
            inputs.check_rows(self.session, data, suffix=place)
            yield data, of_pass(self.session, data, len(data.x))

    def steps(self, done: int, epochs_left: int) -> int | None:
        """Steps of all epochs that are left, of which one minibatch makes ``done``."""
        number = self.given.number()
        return None if number is None else done * number * epochs_left

    def ahead(self, epochs: int) -> int | None:
        """Steps of so many epochs, before the first: not known."""
        return None


def _check_stateful(samples: int, batch: int, shuffle: bool) -> None:
    """Whether stateful layers find each row where the minibatch before left it."""
    if shuffle:
        raise ValueError("shuffle: expected False, for a stateful layer needs its rows in order")
    if samples % batch:
        raise ValueError(
            f"batch_size: expected a divisor of the {samples} samples, for a stateful layer needs whole "
            f"minibatches; got {batch}"
        )
