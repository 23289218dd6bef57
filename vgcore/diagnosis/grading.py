"""How well networks do, on samples that they were trained with and on those that were held out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis import score, targets
from vgcore.diagnosis.evidence import Outcome, Samples
from vgcore.diagnosis.plain import plain_network
from vgcore.model import Sequential

Array = NDArray[Any]
Train = Callable[[Sequential, Samples], Any]

ROOM = 0.02
"""What a network must learn beyond chance at least for it to count as something."""

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
        numbers = as_classes and samples.kind == "numbers"
        self._labels = targets.as_labels(samples.wanted) if numbers else None

    def outcome(self, seen: Sequential, course: Sequential, train: Train, *, steps: int) -> Outcome:
        """How a network does beside chance and a plain one, which ``train`` trains.

        ``course`` is trained with what is taught. Where ``seen`` is another network it was trained with all
        samples; of what it knows it is taken to have learned as large a part by heart as the course has.
        """
        if self._labels is None:
            chance = score.of_chance(self._samples.wanted, self._samples.kind)
        else:
            chance = score.of_chance(self._labels, "labels")
        held = len(self._held) if self._apart else 0
        luck = self._luck(chance)
        reached = self._reached(course, self._samples.of(self._held))
        known = self._reached(course, self._known) if self._apart else reached
        reference = self._of_plain(train)
        found = Outcome(
            reached, chance, reference, luck, self._measure(), steps, held, known - reached
        )
        if seen is course:
            return found
        known = self._reached(seen, self._samples)
        lost = min(found.by_heart, 1.0) * max(known - chance, 0.0)
        return replace(found, score=known - lost, gap=lost)

    def _luck(self, chance: float) -> float:
        """What a score may be above chance by luck: of an accuracy of samples held out two standard errors of
        chance's.
        """
        if not self._apart or (self._samples.kind == "numbers" and self._labels is None):
            return ROOM
        return max(ROOM, 2 * math.sqrt(chance * (1 - chance) / len(self._held)))

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
        if self._labels is not None:
            return score.of_nearest(samples.counted(answers), samples.wanted)
        return score.score(samples.counted(answers), samples.wanted, self._samples.kind, middle)

    def _measure(self) -> str:
        """What the score is, in words."""
        classes = self._samples.classes if self._labels is None else self._labels
        unbalanced = classes is not None and score.is_unbalanced(classes)
        what = (
            "accuracy"
            if self._samples.kind != "numbers" or self._labels is not None
            else ("of its targets' variance")
        )
        where = " on samples held out" if self._apart else ""
        return f"{what}{where}{', as a mean over the classes' if unbalanced else ''}"
