"""What rules look at: the network, its data, a look inside, and the record of its training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis import targets
from vgcore.diagnosis.network import Network
from vgcore.flow import GradientFlow, Internals
from vgcore.model.history import History

Array = NDArray[Any]
Moment = Literal["start", "now"]

_MOST_ROWS = 4096  # of inputs whose scales are measured
_EDGE = 5  # steps of a record whose median is its beginning, or its end


@dataclass(frozen=True)
class Samples:
    """The data.

    Attributes
    ----------
    x, y : ndarray
        As the engine reads them.
    lengths : ndarray or None
    sparse : bool
        Whether targets are integer labels.
    ignored : int or None
        The label that does not count.
    own : bool
        Whether targets are of a kind that a loss of one's own alone understands.
    """

    x: Array
    y: Array
    lengths: Array | None
    sparse: bool
    ignored: int | None = None
    own: bool = False

    def of(self, rows: Array) -> Samples:
        """Some of them."""
        lengths = None if self.lengths is None else self.lengths[rows]
        return replace(self, x=self.x[rows], y=self.y[rows], lengths=lengths)

    @property
    def _in_time(self) -> bool:
        """Whether there is a target at every timestep."""
        return self.y.ndim == (2 if self.sparse else 3) and self.y.shape[1] == self.x.shape[1]

    def until(self, timestep: int) -> Samples:
        """Their first timesteps."""
        lengths = None if self.lengths is None else np.minimum(self.lengths, timestep)
        y = self.y[:, :timestep] if self._in_time else self.y
        return replace(self, x=self.x[:, :timestep], y=y, lengths=lengths)

    def counted(self, values: Array) -> Array:
        """Of targets, or outputs, at every timestep those that are no padding; of all places of images; else
        all of them. As rows.
        """
        return targets.as_rows(values, self.lengths if self._in_time else None)

    @cached_property
    def wanted(self) -> Array:
        """Targets that count; labels that are ignored are -1."""
        if self.ignored is None:
            return self.counted(self.y)
        return self.counted(np.where(self.y == self.ignored, -1, self.y.astype(np.int64)))

    @cached_property
    def kind(self) -> targets.Kind:
        """What targets are."""
        if self.own:
            return "own"
        return targets.kind_of(self.wanted, sparse=self.sparse)

    @cached_property
    def classes(self) -> Array | None:
        """The class of each target; None where they are no classes."""
        return targets.classes_of(self.wanted, self.kind)

    @property
    def strata(self) -> Array | None:
        """The class of each sample, those that are ignored as one more; None where a sample has none."""
        classes = self.wanted if self.kind == "labels" else self.classes
        return classes if classes is not None and classes.shape == self.x.shape[:1] else None

    @cached_property
    def inputs(self) -> Array:
        """Inputs of some thousand samples as rows of features, of all timesteps, or of all pixels of a
        channel; what is padding is left out. Empty of integers, which an `Embedding` reads.
        """
        x = self.x[:_MOST_ROWS]
        if x.dtype.kind in "iu":
            return np.empty((0, 0))
        if x.ndim == 4:
            return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]).astype(float)
        if x.ndim == 3:
            valid = np.ones(x.shape[:2], bool)
            if self.lengths is not None:
                valid = np.arange(x.shape[1]) < self.lengths[: len(x), np.newaxis]
            return x[valid].astype(float)
        return x.reshape(len(x), -1).astype(float)

    @property
    def outputs(self) -> Array:
        """Targets that are numbers, as rows."""
        width = self.wanted.shape[-1] if self.wanted.ndim > 1 else 1
        return self.wanted.reshape(-1, width).astype(float)


@dataclass(frozen=True)
class Outcome:
    """How well a network does, beside what it could do.

    Attributes
    ----------
    score : float
        Accuracy of classes; else the part of the targets' variance that is explained.
    chance : float
        Of the best constant answer.
    reference : float
        Of a plain network that was trained for as many steps; NaN where there is none.
    luck : float
        What a score may be above chance by luck.
    measure : str
        What the score is, in words.
    steps : int
        So many steps were trained before.
    held : int
        So many samples are held out, of which all scores are; 0 where all were trained with.
    gap : float
        By how much the score is better of samples that were trained with.
    unsure : bool
        Whether nobody knows how much of it was learned by heart, for the copy that was to tell has not
        learned.
    """

    score: float
    chance: float
    reference: float
    luck: float
    measure: str
    steps: int
    held: int = 0
    gap: float = 0.0
    unsure: bool = False

    @property
    def by_heart(self) -> float:
        """The share of what is learned that samples trained with alone are known by; 0 where little is."""
        learned = self.score + self.gap - self.chance
        return min(max(self.gap, 0.0) / learned, 1.0) if learned > 2 * self.luck else 0.0

    def reaches(self, share: float) -> bool:
        """Whether it has learned that share of what the plain network has, but for what may be bad luck;
        where that has learned nothing, whether it has learned anything.
        """
        if np.isnan(self.learned):
            return self.learns_something
        room = self.reference - self.chance
        return self.learned + self.luck / 2 / room >= share

    @property
    def learns_something(self) -> bool:
        """Whether the score is above chance by more than luck."""
        return self.score > self.chance + self.luck

    @property
    def known(self) -> float:
        """The score of samples that were trained with."""
        return self.score + self.gap

    @property
    def learned(self) -> float:
        """The score's share of what the plain network learns beyond chance; NaN where it learns nothing."""
        if np.isnan(self.score):
            return 0.0
        room = self.reference - self.chance
        return (self.score - self.chance) / room if room > self.luck else float("nan")


class Evidence:
    """All that there is to look at; None where there is no such thing.

    Parameters
    ----------
    network : Network, optional
    samples : Samples, optional
    flow : GradientFlow, optional
        The record of a training, from its first step on if it can be.
    look : GradientFlow, optional
        One step of the network as it is now.
    look_at_start : GradientFlow, optional
        One step of a network whose first recorded steps are not finite.
    start, seen : Network, optional
        The network as it is drawn afresh, and the one that is looked at: as it is now or, where it was not
        trained yet, as a copy of it is after some training.
    inside_start, inside : Internals, optional
        Of some samples, of these two.
    outcome : Outcome, optional
    history : History, optional
    batch_size : int, optional
    chance_loss : float, optional
        The loss of the best constant answer.
    sharpness : float, optional
        The largest curvature of the loss at the start.
    sampling : float, optional
        Median leap of the loss from one minibatch to another while nothing is trained, as a part of it.
    broken : str
        Where a step was not finite, in words.
    notes : tuple of str
        What was done by less than it should have been.
    """

    def __init__(
        self,
        *,
        network: Network | None = None,
        samples: Samples | None = None,
        flow: GradientFlow | None = None,
        look: GradientFlow | None = None,
        look_at_start: GradientFlow | None = None,
        start: Network | None = None,
        seen: Network | None = None,
        inside_start: Internals | None = None,
        inside: Internals | None = None,
        outcome: Outcome | None = None,
        history: History | None = None,
        batch_size: int | None = None,
        chance_loss: float | None = None,
        sharpness: float | None = None,
        sampling: float | None = None,
        broken: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        self.network, self.samples, self.flow = network, samples, flow
        self.look, self.look_at_start, self.start, self.seen = look, look_at_start, start, seen
        self.inside_start, self.inside = inside_start, inside
        self.outcome, self.history, self.batch_size = outcome, history, batch_size
        self.chance_loss, self.sharpness, self.broken = chance_loss, sharpness, broken
        self.sampling, self.notes = sampling, notes

    @cached_property
    def layers(self) -> list[str]:
        """Names of the columns of the record."""
        record = self.flow if self.flow is not None else self.look
        return [] if record is None else record.layers

    @cached_property
    def first(self) -> GradientFlow | None:
        """The first steps of the record, or a look at the start in their place."""
        if self.look_at_start is not None:
            return self.look_at_start
        return None if self.flow is None or not len(self.flow) else self.flow[:_EDGE]

    @cached_property
    def last(self) -> GradientFlow | None:
        """The network as it is now: one look at it, or the last steps of the record."""
        if self.look is not None:
            return self.look
        return None if self.flow is None or not len(self.flow) else self.flow[-_EDGE:]

    @property
    def moments(self) -> list[tuple[Moment, GradientFlow]]:
        """Beginning and end of what is known."""
        found: list[tuple[Moment, GradientFlow | None]] = [
            ("start", self.first),
            ("now", self.last),
        ]
        return [(name, flow) for name, flow in found if flow is not None]

    def column(self, name: str) -> int:
        """Which column of the record is of a layer."""
        return self.layers.index(name)

    def width(self, name: str) -> int:
        """How many units, or channels, a layer has; 1 where the network is not known."""
        if self.inside is not None and name in self.inside:
            z = self.inside[name].z
            shape = (self.inside[name].h if z is None else z).shape
            return int(shape[1] if len(shape) == 4 else shape[-1])
        return 1

    @cached_property
    def losses(self) -> Array:
        """The losses of the recorded steps."""
        return np.empty(0) if self.flow is None else np.asarray(self.flow.loss)

    @cached_property
    def still_falls(self) -> float:
        """By what part of itself the loss fell in the last quarter of training; 0 where next to nothing is
        left of it.
        """
        told = self.history is not None and len(self.history.get("loss", ())) >= _LEAST_EPOCHS
        losses = np.asarray(self.history["loss"], float) if told and self.history else self.losses
        if len(losses) < _LEAST_EPOCHS or not np.isfinite(losses).all():
            return 0.0
        quarter = losses[-max(len(losses) // 4, 2) :]
        half = max(len(quarter) // 2, 1)
        begin, end = float(np.median(quarter[:half])), float(np.median(quarter[-half:]))
        if not begin or abs(end) < _NOTHING_LEFT * abs(float(losses[0])):
            return 0.0
        return (begin - end) / abs(begin)

    @property
    def learns(self) -> bool | None:
        """Whether the network learns as it should; None where that is not known.

        With data: by its score, which reaches most of what a plain network of the same steps reaches. Of a
        record alone: by its loss, which has fallen by half.
        """
        if self.outcome is not None:
            return self._learns(self.outcome)
        losses = self.losses
        if len(losses) < 2 * _EDGE or not np.isfinite(losses).all():
            return None
        return bool(np.median(losses[-_EDGE:]) < 0.5 * np.median(losses[:_EDGE]))

    def _learns(self, outcome: Outcome) -> bool | None:
        if outcome.unsure or (np.isnan(outcome.learned) and outcome.learns_something):
            return None
        learns = outcome.reaches(LEARNED)
        underway = outcome.learned > UNDERWAY and self.still_falls > FALLS
        return None if underway and not learns else learns


BY_HEART = 0.5
"""Share of what is learned, from which on it counts as learned by heart."""

FALLS = 0.05
"""Part of itself by which a loss must fall in the last quarter to be said to fall still."""

_LEAST_EPOCHS = 4
_NOTHING_LEFT = 0.02  # of the first loss

UNDERWAY = 0.5
"""Share of what a plain network learns beyond chance, from which on a loss that falls is a good sign."""

LEARNED = 0.85
"""Share of what a plain network learns beyond chance, from which on a network counts as learning."""


def middle(flow: GradientFlow, field: str) -> Array:
    """The median over the steps of a field, for each layer; NaN where it is never recorded."""
    rows = np.asarray(getattr(flow, field))
    if not len(rows):
        return np.full(len(flow.layers), np.nan)
    recorded = ~np.isnan(rows).all(axis=0)
    found = np.full(rows.shape[1], np.nan)
    found[recorded] = np.nanmedian(rows[:, recorded], axis=0)
    return found
