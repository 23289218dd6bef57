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
from vgcore.diagnosis.score import Measure, luck
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
        self._measure = Measure.of(samples.wanted, sparse=samples.sparse, as_classes=as_classes)

    def outcome(self, seen: Sequential, course: Sequential, train: Train, *, steps: int) -> Outcome:
        """How a network does beside chance and a plain one, which ``train`` trains.

        ``course`` is trained with what is taught. Where ``seen`` is another network it was trained with all
        samples; of what it knows it is taken to have learned as large a part by heart as the course has.
        """
        chance = self._measure.chance(self._samples.wanted)
        held = len(self._held) if self._apart else 0
        lucky = luck(chance, held if self._measure.counts_classes else 0)
        reached = self._reached(course, self._samples.of(self._held))
        known = self._reached(course, self._known) if self._apart else reached
        reference = self._of_plain(train)
        found = Outcome(
            reached, chance, reference, lucky, self._words(), steps, held, known - reached
        )
        if seen is course:
            return found
        known = self._reached(seen, self._samples)
        lost = min(found.by_heart, 1.0) * max(known - chance, 0.0)
        return replace(found, score=known - lost, gap=lost)

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
        answers = model.predict(samples.x, lengths=samples.lengths)
        return self._scored(answers, samples, model.loss.middle if model.loss.judged else 0.5)

    def _scored(self, answers: Array, samples: Samples, middle: float) -> float:
        return self._measure.score(samples.counted(answers), samples.wanted, middle)

    def _words(self) -> str:
        """What the score is, and of which samples."""
        return self._measure.words(self._samples.wanted) + (" on samples held out" * self._apart)
