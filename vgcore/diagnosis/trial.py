"""Cures that are tried: each change made on copies, trained for the same number of steps, and compared."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, zip_longest
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore.diagnosis import race
from vgcore.diagnosis.changes import CHANGES, Change, Given, changes_of, clash, combined, ordered
from vgcore.diagnosis.changes.data import has_own_targets, is_sparse
from vgcore.diagnosis.changes.training import TESTED, without_validation
from vgcore.diagnosis.evidence import Samples
from vgcore.diagnosis.plain import plain_network
from vgcore.diagnosis.preparation import ScaleInputs, ScaleTargets
from vgcore.diagnosis.race import Contender
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rows import split
from vgcore.diagnosis.table import MARGIN, Trials, Tried
from vgcore.model import threads

__all__ = ["Trials", "Tried", "split", "tried"]

Array = NDArray[Any]

_SINGLE = 0.5  # share of the time that single changes get
_ALL_BUT = 0.8  # the same where not all of them fit in
_LATE = 0.3  # of what is left that they may take more, if they were planned badly
_LEAST_STEPS, MOST_STEPS = 100, 5_000
_PROBED, _PROBING = (
    3,
    0.1,
)  # steps that tell what a step costs, and the share of the time that it may take
_SAFE = 0.8  # of the time that is planned with
_FIRST = 0.3  # of the steps, behind which they are planned anew
_ROUNDS = 2  # of combinations
_HURTS = 0.02  # a change that lowers the score by more is not combined
_PERFECT = 0.995  # score from which on nothing is combined
_MEMORY = 2e9  # bytes that all networks of a round may take together


def tried(
    recipe: Recipe,
    changes: Iterable[str],
    x: ArrayLike,
    y: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    seconds: float,
    seeds: int = 3,
    rng: Any = 0,
    steps: int = MOST_STEPS,
    reference: bool = True,
    progress: Callable[[float], Any] | None = None,
) -> Trials:
    """Try changes beside no change, random changes and a plain network.

    A quarter of the rows is held out, of each class as many; of fewer than 20 rows none. Every run takes the
    same number of steps on the same rows, as many as fit into the time. Rows are shuffled, so stateful
    networks are tried as ones that are not; a learning rate that is reduced on a validation stays as it is.

    First every single change is tried. Then, with the time that is left, the best one is tried with each
    other, those that hurt last; where no single change helps, pairs of those that were suggested come first.

    Parameters
    ----------
    recipe : Recipe
    changes : iterable of str
        Keys in `CHANGES`, the most promising first. What does not apply is left out.
    x, y, lengths : array_like
        As in `Sequential.fit`.
    seconds : float, > 0
        Time that all of it may take, about.
    seeds : int, >= 1
    rng : int or numpy.random.Generator
        Of what is held out, of seeds, and of random changes.
    steps : int, >= 1
        Of each run, at most.
    reference : bool
        Try a plain network, too (`vgcore.diagnosis.plain`).
    progress : callable, optional
        Told every 50 ms what share of the time is over.

    Returns
    -------
    Trials
    """
    limit = _validate.real("seconds", seconds, above=0)
    number = _validate.integer("seeds", seeds, minimum=1)
    most = _validate.integer("steps", steps, minimum=1)
    wanted = [CHANGES[_validate.one_of("changes", key, CHANGES)] for key in dict.fromkeys(changes)]
    data = Given(np.asarray(x), np.asarray(y), None if lengths is None else np.asarray(lengths))
    trial = _Trial(recipe, data, np.random.default_rng(rng), limit, number, most, progress)
    return trial.run(wanted, reference)


class _Trial:
    """One trial: its rows, its clock, and what has been found."""

    def __init__(
        self,
        recipe: Recipe,
        data: Given,
        rng: np.random.Generator,
        seconds: float,
        seeds: int,
        steps: int,
        progress: Callable[[float], Any] | None,
    ) -> None:
        self._begin, self._seconds = time.monotonic(), seconds
        self._rng, self._progress = rng, progress
        self._recipe = without_validation(CHANGES["stateless"].edit(recipe, *data) or recipe)
        self._data = data
        self._seeds = [int(seed) for seed in rng.integers(2**31, size=seeds)]
        self._rows = split(self._recipe, data, rng)
        self._most, self._steps = steps, min(_LEAST_STEPS, steps)
        self._none = Contender("no change", "none", (), self._recipe)
        self._not_tried: list[str] = []
        self._tried: list[Tried] = []
        self._costs: dict[str, float] = {}
        self._size = 0.0

    def run(self, changes: Sequence[Change], reference: bool) -> Trials:
        """All rounds."""
        entrants = [self._none, *(self._reference() if reference else [])]
        self._takes(self._none)
        race.probe([self._none], self._rows, _PROBED, self._clock(_PROBING))
        first = len(entrants) + 1
        suggested = self._applying([(change,) for change in changes], "change")
        drawn = self._drawn(suggested)
        pairs = zip_longest(suggested[::2], suggested[1::2], drawn)
        entrants += [each for some in pairs for each in some if each is not None]
        chosen = self._chosen(entrants, first, self._clock(_SINGLE))
        self._train_and_plan(chosen, _SINGLE if len(chosen) == len(entrants) else _ALL_BUT)
        self._judge(chosen)
        for size in range(2, 2 + _ROUNDS):
            if not self._combine(size):
                break
        rows = sorted(self._tried, key=lambda row: (-row.score, len(row.changes)))
        return Trials(tuple(rows), tuple(dict.fromkeys(self._not_tried)), tuple(self._notes()))

    def _notes(self) -> Iterable[str]:
        if not self._rows.apart:
            yield (
                f"Of {len(self._rows.train.x)} rows none are held out: scores are of those trained with."
            )
        if len({row.steps for row in self._tried if not row.diverged}) > 1:
            yield "Time was over before all had taken as many steps."

    def _clock(self, share: float) -> float:
        """Clock time at a share of the seconds."""
        return self._begin + share * self._seconds

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(min((time.monotonic() - self._begin) / self._seconds, 1.0))

    def _applying(self, many: Iterable[tuple[Change, ...]], kind: race.Kind) -> list[Contender]:
        """Contenders of those that apply; a range test may take a tenth of the time that is left."""
        found = []
        for changes in many:
            name = " + ".join(change.name for change in changes)
            left = self._clock(1.0) - time.monotonic()
            if combined(changes).trains and self._none.cost * TESTED > _PROBING * left:
                self._not_tried.append(name)
                continue
            try:
                made = combined(changes).edit(self._recipe, *self._rows.train)
            except ValueError:  # of a range test: minibatches that are too small for a norm
                self._not_tried.append(f"{name} (does not fit)")
                continue
            if made is not None:
                found.append(Contender(name, kind, tuple(each.key for each in changes), made))
        return found

    def _drawn(self, suggested: Sequence[Contender]) -> list[Contender]:
        """As many random changes that apply, but for those that are tried anyway."""
        taken = {each.changes for each in suggested}
        found: list[Contender] = []
        for key in self._rng.permutation(list(CHANGES)):
            if len(found) < len(suggested) and (str(key),) not in taken:
                found += self._applying([(CHANGES[str(key)],)], "random")
        return found

    def _reference(self) -> list[Contender]:
        """A plain network, if there is one for such targets."""
        x, y, lengths = self._rows.train
        if has_own_targets(self._recipe, y):
            return []
        if self._recipe.layers[0].vocabulary is None:
            x = np.asarray(x, np.float64)
        samples = Samples(x, y, lengths, is_sparse(self._recipe))
        plain = plain_network(samples)
        if plain is None:
            return []
        made = Recipe.of(plain.model, batch_size=self._recipe.fitting["batch_size"])
        if self._recipe.layers[0].vocabulary is None:
            made = made.prepared_by(ScaleInputs(), x, y, lengths)
        if samples.kind == "numbers":
            made = made.prepared_by(ScaleTargets(), x, y, lengths)
        return [Contender("a plain network", "reference", (), made)]

    def _chosen(self, entrants: Sequence[Contender], first: int, end: float) -> list[Contender]:
        """As many as can take the steps until ``end``, those in front first; all of the ``first``.

        Where fewer than half of them could, there are fewer seeds, but not where there is no ``first``.
        """
        fit = [each for each in entrants if self._takes(each)]
        late = time.monotonic() + _PROBING * self._seconds
        unknown = [each for each in fit if math.isnan(each.cost)]
        for place in range(0, len(unknown), self._threads):
            some = unknown[place : place + self._threads]
            if not place or time.monotonic() < late:
                race.probe(some, self._rows, _PROBED, late)
            else:
                for each in some:
                    each.cost, each.size = fit[0].cost, fit[0].size
        left = max(end - time.monotonic(), 0) * self._threads

        def affordable(number: int, seeds: int) -> bool:
            cost = self._steps * seeds * sum(each.cost for each in fit[:number])
            return (
                cost <= _SAFE * left and seeds * sum(each.size for each in fit[:number]) <= _MEMORY
            )

        for seeds in range(len(self._seeds), 0, -1):
            number = len(fit)
            while number > first and not affordable(number, seeds):
                number -= 1
            if not first or 2 * number >= len(fit):
                break
        self._seeds = self._seeds[:seeds]
        self._not_tried += [each.name for each in fit[number:]]
        for each in fit[:number]:
            each.start(self._seeds, self._rows)
        return fit[:number]

    @property
    def _threads(self) -> int:
        return threads.get_num_threads()

    def _takes(self, entrant: Contender) -> bool:
        """Whether a network takes the data; no change must."""
        try:
            entrant.check(self._rows)
        except (TypeError, ValueError):
            if entrant.kind == "none":
                raise
            self._not_tried.append(f"{entrant.name} (does not fit)")
            return False
        return True

    def _train_and_plan(self, chosen: Sequence[Contender], share: float) -> None:
        """Train single changes for as many steps as there is time for."""
        seeds = len(chosen[0].runs)
        cost = seeds * sum(each.cost for each in chosen) / self._threads
        now = time.monotonic()
        end = max(self._clock(share), now + _LATE * self._seconds)
        last = end + _LATE * (self._begin + self._seconds - end)
        possible = _SAFE * max(end - now, 0) / cost
        first = min(max(math.ceil(_FIRST * possible), 1), self._most)
        race.train(chosen, first, last, self._tell)
        took = (time.monotonic() - now) / first
        more = int(_SAFE * max(end - time.monotonic(), 0) / took)
        self._steps = min(first + more, self._most)
        race.train(chosen, self._steps, last, self._tell)

    def _judge(self, chosen: Sequence[Contender]) -> None:
        """Keep what became of those that were trained as long as no change was."""
        for each in chosen:
            fewest = each.fewest_steps
            if each.kind == "none":
                self._steps = int(min(self._steps, fewest))
            if fewest < self._steps:
                self._not_tried.append(f"{each.name} (time was over)")
                continue
            results = tuple(run.result() for run in each.runs)
            classes = self._rows.kind != "numbers"
            self._tried.append(
                Tried(
                    each.name,
                    each.kind,
                    each.changes,
                    each.recipe,
                    results,
                    self._data,
                    classes,
                    len(self._tried),
                    len(self._rows.held.x) if self._rows.apart else 0,
                )
            )
            if len(each.changes) == 1:
                self._costs[each.changes[0]] = each.measured_cost
                self._size = max(self._size, each.size)
            each.runs.clear()
            self._tell()

    def _combine(self, size: int) -> bool:
        """Try the best change so far with each of those that do not hurt; whether it got better."""
        none = next(row for row in self._tried if row.kind == "none")
        changes = self._changes()
        if not changes:
            return False
        best = max(changes, key=lambda row: row.score)
        if best.low >= _PERFECT or (size > 2 and self._reaches_reference(best)):
            return False
        singles = [row for row in changes if len(row.changes) == 1]
        harmless = [row for row in singles if row.score >= none.score - _HURTS]
        harmless.sort(key=lambda row: -row.score)
        wanted = [(*best.changes, *row.changes) for row in harmless]
        if not best.better_than(none):
            promising = [row.changes for row in singles if row.kind == "change"]
            pairs = combinations(range(len(promising)), 2)
            wanted = [
                promising[one] + promising[other] for one, other in sorted(pairs, key=sum)
            ] + wanted
        wanted += [(*best.changes, *row.changes) for row in singles if row not in harmless]
        known = {row.changes for row in self._tried}
        new = [each for each in dict.fromkeys(map(ordered, wanted)) if each not in known]
        entrants = self._applying((changes_of(each) for each in new if not clash(each)), "change")
        for each in entrants:
            each.cost = max(self._costs[key] for key in each.changes)
            each.size = self._size
        end = self._clock(1.0)
        chosen = self._chosen(entrants, 0, end) if time.monotonic() < end else []
        race.train(chosen, self._steps, end, self._tell)
        self._judge(chosen)
        return len(max(self._changes(), key=lambda row: row.score).changes) == size

    def _changes(self) -> list[Tried]:
        return [row for row in self._tried if row.kind in ("change", "random")]

    def _reaches_reference(self, best: Tried) -> bool:
        """Whether the best change does as well as the plain network."""
        plain = (row.score for row in self._tried if row.kind == "reference")
        return best.score >= next(plain, math.inf) - MARGIN
