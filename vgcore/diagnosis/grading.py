"""How well networks do, on samples that they were trained with and on those that were held out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.evidence import Outcome, Samples
from vgcore.diagnosis.plain import plain_network
from vgcore.diagnosis.score import ROOM, Measure, predicted
from vgcore.model import Sequential

Array = NDArray[Any]
Train = Callable[[Sequential, Samples], Any]

_MOST_JUDGED = 2_000  # of the samples that are trained with


class Grading:
    """Scores of networks on the same samples.

    Parameters
    ----------
    samples : Samples
    taught, held : ndarray
        Numbers of those that a course is trained with, and of those that are held out; the same where none
        are.
    as_classes : bool
        Whether whole numbers in one column are classes to the network.
    """

    def __init__(self, samples: Samples, taught: Array, held: Array, *, as_classes: bool) -> None:
        self._samples, self._taught, self._held = samples, taught, held
        self._apart = not np.array_equal(taught, held)
        known = np.random.default_rng(0).permutation(taught)[:_MOST_JUDGED]
        self._known = samples.of(np.sort(known))
        self._measure = Measure(samples.wanted, sparse=samples.sparse, as_classes=as_classes)

    def outcome(self, seen: Sequential, course: Sequential, train: Train, *, steps: int) -> Outcome:
        """How a network does beside chance and a plain one, which ``train`` trains.

        ``course`` is trained with what is taught. Where ``seen`` is another network it was trained with all
        samples; of what it knows it is taken to have learned as large a part by heart as the course has,
        which says nothing where the course knows next to nothing.
        """
        chance, measure = self._measure.chance, self._measure.words
        test = self._samples.of(self._held)
        luck = self._measure.luck(test.wanted) if self._apart else ROOM
        reached = self._reached(course, test)
        known = self._reached(course, self._known) if self._apart else reached
        held = len(self._held) if self._apart else 0
        found = Outcome(
            score=reached,
            chance=chance,
            reference=self._of_plain(train),
            luck=luck,
            measure=f"{measure} on samples held out" if held else measure,
            steps=steps,
            held=held,
            gap=known - reached,
        )
        if seen is course:
            return found
        known = self._reached(seen, self._samples)
        lost = found.by_heart * max(known - chance, 0.0)
        asked = f"{measure}, judged by a copy that has not seen {held:,} of the samples"
        return replace(
            found,
            score=known - lost,
            gap=lost,
            measure=asked if held else measure,
            unsure=bool(held) and found.known <= chance + 2 * luck < known,
        )

    def _of_plain(self, train: Train) -> float:
        """What a plain network reaches; NaN where there is none."""
        plain = plain_network(self._samples)
        if plain is None:
            return math.nan
        train(plain.model, plain.samples.of(self._taught))
        test = plain.samples.of(self._held)
        answers = plain.scaling.restored(plain.model.predict(test.x, lengths=test.lengths))
        return self._scored(answers, self._samples.of(self._held), 0.5)

    def _reached(self, model: Sequential, samples: Samples) -> float:
        model.reset_states()
        answers = predicted(model.predict(samples.x, lengths=samples.lengths), model.loss)
        return self._scored(answers, samples, model.loss.middle if model.loss.judged else 0.5)

    def _scored(self, answers: Array, samples: Samples, middle: float) -> float:
        return self._measure.score(samples.counted(answers), samples.wanted, middle)
