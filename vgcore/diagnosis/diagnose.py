"""What `Sequential.diagnose` and `GradientFlow.diagnose` do: examine, judge, and try cures."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vgcore import _validate
from vgcore.diagnosis import examination, judge
from vgcore.diagnosis.changes import Given
from vgcore.diagnosis.changes.data import has_own_targets
from vgcore.diagnosis.changes.training import without_validation
from vgcore.diagnosis.diagnosis import Diagnosis
from vgcore.diagnosis.evidence import LEARNED, Evidence, Samples
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.suggestion import suggestions
from vgcore.diagnosis.symptoms import SYMPTOMS
from vgcore.diagnosis.trial import MOST_STEPS, tried
from vgcore.flow import GradientFlow
from vgcore.model import Sequential, inputs, progress
from vgcore.model.history import History

_BATCH = 32
_MOST_ROWS = 20_000
_LEAST_STEPS = 500  # of a trial; of a network that was trained for longer, as many as that
_SEEDS = 5
_OFTEN = (
    "scale_inputs",
    "range_test",
    "output",
    "loss",
    "adam",
    "relu",
    "batchnorm",
    "scale_targets",
    "wider",
)
_TOGETHER = ("scale_inputs", "scale_targets", "loss", "adam", "start")


def of_flow(flow: GradientFlow) -> Diagnosis:
    """See `GradientFlow.diagnose`."""
    if not len(flow):
        raise ValueError("flow: expected a record of at least one step, got none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return judge.judged(Evidence(flow=flow))


def of_model(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    history: History | None = None,
    seconds: float = 20,
    cures: bool = True,
) -> Diagnosis:
    """See `Sequential.diagnose`."""
    begin = time.monotonic()
    limit = _validate.real("seconds", seconds, above=0)
    _validate.boolean("cures", cures)
    if history is not None and not isinstance(history, History):
        raise TypeError(f"history: expected a History or None, got {_validate.kind(history)}")
    compiled = model.session.compiled
    data = inputs.to_train(model.session, x, y, lengths, None)
    loss = compiled.loss
    targets = np.asarray(data.y if loss.function is None else y)
    if loss.ignore_index is not None:
        targets = np.asarray(y).reshape(targets.shape)
    some = _some(len(data.x))
    own = loss.function is not None and has_own_targets(Recipe.of(model), targets)
    whole = Samples(data.x, targets, data.lengths, loss.sparse, loss.ignore_index, own)
    if not own and not _counts(whole):
        raise ValueError("y: expected at least one target that counts, got none")
    samples = whole.of(some)
    history = model.history if history is None else history
    fitting = {"shuffle": False} if model.session.stateful else {}
    recipe = without_validation(
        Recipe.of(
            model,
            batch_size=min(model.session.batch_size or _BATCH, len(data.x)),
            takes_lengths=lengths is not None,
            **fitting,
        )
    )
    limits = None if lengths is None else np.asarray(lengths)[some]
    given = Given(np.asarray(x)[some], np.asarray(y)[some], limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        evidence = examination.examined(model, recipe, samples, history, limit)
        found = judge.judged(evidence)
        outcome = evidence.outcome
        learns = outcome is None or outcome.reaches(LEARNED)
        if cures and (found.illnesses or not learns):
            steps = max(model.step, _LEAST_STEPS) if model.step else MOST_STEPS
            left = max(limit - (time.monotonic() - begin), limit / 2)
            with progress.share("trying cures") as tell:
                keys = _promising(found)
                trials = tried(
                    recipe, keys, *given, seconds=left, seeds=_SEEDS, steps=steps, progress=tell
                )
            found = judge.with_trials(found, evidence, trials)
        with np.errstate(all="ignore"):
            findings = tuple(
                each.with_(suggestions=suggestions(recipe, SYMPTOMS[each.symptom].cures, given))
                for each in found.findings
            )
    return replace(found, findings=findings)


def _counts(samples: Samples) -> bool:
    """Whether any target does."""
    return bool(samples.wanted.size and (not samples.sparse or (samples.wanted >= 0).any()))


def _promising(found: Diagnosis) -> Iterator[str | tuple[str, ...]]:
    """Keys of changes to try: those of illnesses, the first of each first, then what often helps; and those
    to be made together: the first of each illness that follows from no other, and what is usual.
    """
    each = [SYMPTOMS[finding.symptom].cures for finding in found.illnesses]
    for some in zip_longest(*each):
        yield from (key for key in some if key is not None)
    yield from _OFTEN
    roots = [SYMPTOMS[each.symptom].cures for each in found.illnesses if not each.follows_from]
    firsts = tuple(cures[0] for cures in roots if cures)
    yield from (firsts, _TOGETHER, (*firsts, *_TOGETHER))


def _some(rows: int) -> Any:
    """Which of so many samples are looked at and trained with: all of them, if they are not very many."""
    if rows <= _MOST_ROWS:
        return slice(None)
    return np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_ROWS])
