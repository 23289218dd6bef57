"""Rounds of a trial: contenders trained side by side by successive halving, and the best to the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vgcore.diagnosis import race
from vgcore.diagnosis.race import Contender
from vgcore.diagnosis.rows import Rows
from vgcore.diagnosis.schedule import Plan, Schedule
from vgcore.model import threads

LEAST_STEPS = 50
"""Steps that tell something."""

_SINGLE, _ALL_BUT = 0.4, 0.85  # of the time, when the first round ends: if all fit in, or not
_PROBING = 0.15  # share of the time left for finding out what a step costs
_CHUNKS = 4  # in which as many are begun as fit into that
_FIRST = 0.3  # of the steps, behind which they are planned anew
_FINALISTS = 5
_WORTH = 0.1  # by how much longer finalists are trained at least
_LOWEST = -1e9  # score that stands for that of what has diverged


class Rounds:
    """What a trial's rounds have in common.

    Parameters
    ----------
    none : Contender
        No change, begun.
    rows : Rows
    schedule : Schedule
    seeds : sequence of int
    most : int
        Steps that are wanted.
    told : callable
        Called every 50 ms.

    Attributes
    ----------
    steps : int
        That those which are left have been trained for.
    over : list of Contender
        Those that are done.
    not_tried : list of str
    """

    def __init__(
        self,
        none: Contender,
        rows: Rows,
        schedule: Schedule,
        seeds: Sequence[int],
        most: int,
        told: Callable[[], Any],
    ) -> None:
        self._none, self._rows, self._schedule = none, rows, schedule
        self._seeds, self._most, self._tell = seeds, most, told
        self.steps = min(LEAST_STEPS, most)
        self.over: list[Contender] = []
        self.not_tried: list[str] = []

    def begun(self, field: Iterable[Contender]) -> list[Contender]:
        """Those that take the data and can be begun within a share of the time left, with what a step of each
        costs.
        """
        end = time.monotonic() + _PROBING * self._schedule.left
        number = threads.get_num_threads()
        found: list[Contender] = []
        waiting, many = list(field), number
        while waiting:
            some, waiting = waiting[:many], waiting[many:]
            begin = time.monotonic()
            if begin > end and found:
                self.not_tried += [each.name for each in (*some, *waiting)]
                break
            some = [each for each in some if each is self._none or self._takes(each)]
            race.probe([each for each in some if math.isnan(each.cost)], self._most)
            found += some
            now = time.monotonic()
            many = max(int(many * (end - now) / (_CHUNKS * (now - begin))), number)
            self._tell()
        return found

    def _takes(self, entrant: Contender) -> bool:
        """Begin, if the network takes the data."""
        try:
            entrant.start(self._seeds[:1], self._rows)
            entrant.check(self._rows)
        except (TypeError, ValueError):
            self.not_tried.append(f"{entrant.name} (does not fit)")
            return False
        return True

    def first(self, field: list[Contender]) -> list[Contender]:
        """Train all for as many steps as there is time for; those that are left."""
        schedule, seeds = self._schedule, len(self._seeds)
        for share in (_SINGLE, _ALL_BUT):
            end = schedule.at(share)
            plan = schedule.plan(field, seeds, self.steps, self._most, end)
            if plan.number == len(field):
                break
        plan = plan._replace(number=max(plan.number, 1))
        field = self._admitted(field, plan)
        late = schedule.late(end)
        race.train(field, math.ceil(_FIRST * plan.steps / 2**plan.halvings), late, self._tell)
        for halvings in range(plan.halvings, -1, -1):
            for each in field:
                each.measure()
            field, possible = self._that_can(field, plan.seeds, halvings, end)
            goal = _goal(field, int(min(possible, self._most)), halvings)
            race.train(field, goal, late, self._tell)
            goal = int(min(goal, self._none.fewest_steps))
            field = self._judged(field, goal, halvings > 0)
        self.steps = goal
        return field

    def _that_can(
        self, field: list[Contender], seeds: int, halvings: int, end: float
    ) -> tuple[list[Contender], float]:
        """Those that can come to the least steps until ``end``, but for one change in any case, which are the
        first of a field or, where they were judged, the best; and the steps that they can come to.
        """
        field = sorted(field, key=lambda each: (bool(each.changes), -each.score))
        least = sum(not each.changes for each in field) + 1
        possible = self._schedule.reach(field, seeds, halvings, end)
        while possible < self.steps and len(field) > least:
            self.leave([field.pop()])
            possible = self._schedule.reach(field, seeds, halvings, end)
        return field, possible

    def combined(self, field: list[Contender], end: float) -> list[Contender]:
        """Train combinations for as many steps as those before; those that are left."""
        steps = self.steps
        plan = self._schedule.plan(field, len(self._seeds), steps, steps, end)
        field = self._admitted(field, plan)
        for halvings in range(plan.halvings, -1, -1):
            goal = _goal(field, steps, halvings)
            race.train(field, goal, self._schedule.late(end), self._tell)
            field = self._judged(field, goal, halvings > 0)
        return field

    def _admitted(self, field: list[Contender], plan: Plan) -> list[Contender]:
        """Those of a field that are in the plan, begun from its seeds."""
        self.not_tried += [each.name for each in field[plan.number :]]
        for each in field[: plan.number]:
            each.start(self._seeds[: plan.seeds], self._rows)
        return field[: plan.number]

    def _judged(self, field: Sequence[Contender], goal: int, halve: bool) -> list[Contender]:
        """Score all that have come so far; those that go on, which are half of the changes or all."""
        there = [each for each in field if each.fewest_steps >= goal]
        self.not_tried += [f"{each.name} (time was over)" for each in field if each not in there]
        begin = time.monotonic()
        for each in there:
            each.judge()
        runs = sum(len(each.runs) for each in there)
        self._schedule.look = (time.monotonic() - begin) / max(runs, 1)
        for each in there:
            if each is not self._none:
                each.gain = each.score - max(self._none.score, _LOWEST)
        if not halve:
            return there
        changed = sorted((each for each in there if each.changes), key=lambda each: -each.score)
        worse = changed[math.ceil(len(changed) / 2) :]
        self.leave(worse)
        return [each for each in there if each not in worse]

    def leave(self, some: Iterable[Contender]) -> None:
        """Keep what became of them, and not their networks."""
        for each in some:
            each.end()
            self.over.append(each)
            self._tell()

    def finish(self, alive: Sequence[Contender]) -> None:
        """Train the best of those that are left from all seeds, and for as many steps as the time allows."""
        schedule, end = self._schedule, self._schedule.at(1.0)
        changed = _ranked(alive)
        chosen = [each for each in alive if not each.changes]
        if not self.is_short(alive):
            self.leave([*chosen, *changed])
            return
        self.leave(changed[_FINALISTS:])
        number, seeds = schedule.finalists(
            chosen, changed[:_FINALISTS], len(self._seeds), self.steps
        )
        self.leave(changed[number:_FINALISTS])
        chosen += changed[:number]
        for each in chosen:
            each.start(self._seeds[:seeds], self._rows)
        race.train(chosen, self.steps, math.inf, self._tell)
        while self.steps < self._most:
            for each in chosen:
                each.measure()
            seeds = max(len(each.runs) for each in chosen)
            possible = int(min(schedule.reach(chosen, seeds, 0, end), self._most))
            least = max((1 + _WORTH) * self.steps, 1)  # all of the time may be over at step 0
            if possible < least:
                break
            halfway = math.ceil((self.steps + possible) / 2)
            self.steps = possible if possible == self._most else halfway
            race.train(chosen, self.steps, math.inf, self._tell)
        self.leave(chosen)

    def is_short(self, alive: Sequence[Contender]) -> bool:
        """Whether there was no time for all steps, or for all seeds."""
        return self.steps < self._most or any(len(each.runs) < len(self._seeds) for each in alive)


def _goal(field: Iterable[Contender], steps: int, halvings: int) -> int:
    """What part of the steps comes next; none has done more already."""
    done = max((run.model.step for each in field for run in each.runs), default=0)
    return int(max(math.ceil(steps / 2**halvings), done))


def _ranked(some: Iterable[Contender]) -> list[Contender]:
    """The changes, the best first; then the best of each number of changes made together, for those that are
    made of the best one may share its luck; then others.
    """
    changed = sorted((each for each in some if each.changes), key=lambda each: -each.score)
    firsts: dict[int, Contender] = {}
    for each in changed:
        firsts.setdefault(len(each.changes), each)
    first = list(firsts.values())
    return [*first, *(each for each in changed if each not in first)]
