"""Cures that are tried: each change made on copies, trained for the same number of steps, and compared."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice, zip_longest
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vgcore import _validate
from vgcore.diagnosis import race
from vgcore.diagnosis.changes import CHANGES, Given
from vgcore.diagnosis.changes.training import without_validation
from vgcore.diagnosis.entrants import Entrants, Keys
from vgcore.diagnosis.race import Contender
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rounds import LEAST_STEPS, Rounds
from vgcore.diagnosis.rows import split
from vgcore.diagnosis.schedule import Schedule
from vgcore.diagnosis.table import Trials, Tried

__all__ = ["Trials", "Tried", "split", "tried"]

MOST_STEPS = 5_000
_ROUNDS, _MOST_COMBINED = 3, 40  # of combinations, and how many in one
_FINAL = 0.3  # share of the time of the last round, where one is needed
_LOOKING, _LEAST_HELD = 0.01, 250  # share of the time of a look at rows held out, and how many do
_MOSTLY = 0.8  # of the time: if nothing was tried by then, it was too little
_PERFECT = 0.995  # score of all seeds from which on nothing is combined


def tried(
    recipe: Recipe,
    changes: Iterable[str | Keys],
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

    A quarter of the rows is held out, of each class as many; of fewer than 20 rows none. Rows are shuffled,
    so stateful networks are tried as ones that are not; a learning rate that is reduced on a validation
    stays as it is.

    First every single change is tried, and those that are to be made together; then the best one with each
    other; last the best of all are trained from all seeds. All of a round take the same number of steps on
    the same rows. Where there is no time for that, all take a part of them, and the better half twice as
    many, until they are done (successive halving: Jamieson and Talwalkar 2016, arXiv 1502.07943). What was
    given up has its own number of steps in the table, and is not compared with what was trained for longer.

    Parameters
    ----------
    recipe : Recipe
    changes : iterable of str, or tuple of str
        Keys in `CHANGES`, the most promising first; a tuple of those that are to be made together, too. What
        does not apply is left out.
    x, y, lengths : array_like
        As in `Sequential.fit`.
    seconds : float, > 0
        Time that all of it may take, about.
    seeds : int, >= 1
        Of the best at the end; others have fewer where there is no time for them.
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
    wanted = [(each,) if isinstance(each, str) else tuple(each) for each in changes]
    for key in (key for keys in wanted for key in keys):
        _validate.one_of("changes", key, CHANGES)
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
        self._schedule = Schedule(seconds)
        self._rng, self._progress = rng, progress
        recipe = without_validation(CHANGES["stateless"].edit(recipe, *data) or recipe)
        self._data = data
        self._seeds = [int(seed) for seed in rng.integers(2**31, size=seeds)]
        self._rows = split(recipe, data, rng)
        self._most = steps
        self._none = Contender("no change", "none", (), recipe)
        self._notes: list[str] = []

    def run(self, changes: Sequence[Keys], reference: bool) -> Trials:
        """All rounds."""
        rounds = self._opened()
        end = self._schedule.at(1.0)
        possible = self._schedule.reach([self._none] * 2, 1, 0, end)
        little = possible < rounds.steps or self._schedule.left <= 0
        if little:
            self._alone(rounds, changes)
        else:
            self._try(rounds, changes, reference)
        rows = [self._row(each, place) for place, each in enumerate(rounds.over)]
        full = max(row.steps for row in rows)
        rows.sort(key=lambda row: (row.steps < full, -row.score, len(row.changes)))
        told = any(row.changes and row.steps >= full for row in rows)
        if little or (not told and self._schedule.gone > _MOSTLY):
            self._notes.append(self._too_little(changes))
        elif len({row.steps for row in rows if not row.diverged}) > 1:
            self._notes.append(
                "What was trained for fewer steps was given up, for others did better by then; it is not "
                "compared."
            )
        judged = race.judged_by(self._none.recipe, self._rows)
        not_tried = tuple(dict.fromkeys(rounds.not_tried))
        return Trials(tuple(rows), not_tried, tuple(self._notes), *judged)

    def _opened(self) -> Rounds:
        """Begin without a change: what a step costs, and a look at the rows held out, of which some are
        enough where it would take long.
        """
        if not self._rows.apart:
            self._notes.append(
                f"Of {len(self._rows.train.x)} rows none are held out: scores are of those trained with."
            )
        self._none.start(self._seeds[:1], self._rows)
        self._none.check(self._rows)
        race.probe([self._none], self._most)
        begin = time.monotonic()
        self._none.judge()
        look, held = time.monotonic() - begin, len(self._rows.held.x)
        enough = max(int(held * _LOOKING * self._schedule.seconds / look), _LEAST_HELD)
        if self._rows.apart and enough < held:
            some = np.sort(self._rng.permutation(held)[:enough])
            self._rows = replace(self._rows, held=self._rows.held.of(some))
            self._none.runs[0].rows = self._rows
            look *= enough / held
        self._schedule.look = look
        return Rounds(self._none, self._rows, self._schedule, self._seeds, self._most, self._tell)

    def _alone(self, rounds: Rounds, changes: Sequence[Keys]) -> None:
        """Train as it is until the time is over, for there is too little of it for anything else."""
        rounds.not_tried += [CHANGES[key].name for keys in changes for key in keys]
        race.train([self._none], rounds.steps, self._schedule.at(1.0), self._tell)
        rounds.leave([self._none])

    def _too_little(self, changes: Sequence[Keys]) -> str:
        """What is said where not a single change could be tried."""
        cost, steps = self._none.cost, min(LEAST_STEPS, self._most)
        wanted = math.ceil(steps * cost * (len({key for keys in changes for key in keys}) + 1))
        return (
            f"Too little time: a step takes {1e3 * cost:.2g} ms, and {steps} steps of two networks are the "
            f"least that tell something; give seconds={max(wanted, math.ceil(2 * self._schedule.seconds))}."
        )

    def _try(self, rounds: Rounds, changes: Sequence[Keys], reference: bool) -> None:
        """All rounds of trying changes."""
        entrants = Entrants(self._none, self._rows, self._rng, lambda: self._schedule.left)
        keys = dict.fromkeys(key for keys in changes for key in keys)
        suggested = entrants.of((key,) for key in keys)
        together = entrants.together((each for each in changes if len(each) > 1), suggested)
        drawn = entrants.drawn(len(suggested), suggested)
        pairs = zip_longest(suggested[::2], suggested[1::2], drawn)
        singles = [each for some in pairs for each in some if each is not None]
        plain = entrants.reference() if reference else []
        field = [self._none, *together[:1], *singles[:1], *plain, *together[1:], *singles[1:]]
        alive = rounds.first(rounds.begun(field))
        last = 1.0 - (_FINAL if rounds.is_short(alive) else 0.0)
        for number in range(1, _ROUNDS + 1):
            if not self._is_worth_it(alive, last):
                break
            share = self._schedule.gone + (last - self._schedule.gone) / (_ROUNDS + 1 - number)
            new = islice(entrants.combinations([*alive, *rounds.over]), _MOST_COMBINED)
            better = max(each.score for each in alive if each.changes)
            found = rounds.combined(rounds.begun(new), self._schedule.at(share))
            alive += found
            if max((each.score for each in found), default=-math.inf) <= better:
                break
        rounds.finish(alive)
        rounds.not_tried += entrants.not_tried

    def _is_worth_it(self, alive: Sequence[Contender], last: float) -> bool:
        """Whether there is anything to combine, anything to win by it, and time for it."""
        changed = [each for each in alive if each.changes]
        perfect = any(
            each.low >= _PERFECT and len(each.runs) == len(self._seeds) for each in changed
        )
        return bool(changed) and not perfect and self._schedule.gone < last

    def _row(self, each: Contender, place: int) -> Tried:
        held = len(self._rows.held.x) if self._rows.apart else 0
        classes = self._rows.kind != "numbers"
        return Tried(
            each.name,
            each.kind,
            each.changes,
            each.recipe,
            each.results,
            self._data,
            classes,
            place,
            held,
        )

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._schedule.gone)
