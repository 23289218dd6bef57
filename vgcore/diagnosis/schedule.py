"""How many networks fit into the time of a trial, from how many seeds, and for how many steps."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

from vgcore.diagnosis.race import Contender
from vgcore.model import threads

_SAFE = 0.8  # of the time that is planned with
_HALVINGS, _LEAST_RUNG = 3, 16  # of a field, at most; steps of the first of its parts, at least
_LATE = 0.3  # of what is left that a round may take more, if it was planned badly
_LOOKS = 3  # at rows held out, of each run
_SOME, _FEW = 3, 3  # seeds that tell luck; changes that are to be compared from several seeds
_MEMORY = 2e9  # bytes that all networks of a round may take together


class Plan(NamedTuple):
    """What fits in.

    Attributes
    ----------
    number : int
        The first so many of a field.
    seeds : int
    halvings : int
        How often the field is halved, each time behind half of the steps that are left to plan.
    steps : int
        Of those that are left in the end.
    """

    number: int
    seeds: int
    halvings: int
    steps: int


class Schedule:
    """The clock of a trial.

    Parameters
    ----------
    seconds : float
        Time that all of it may take.

    Attributes
    ----------
    look : float
        Seconds of a look at rows held out.
    """

    def __init__(self, seconds: float) -> None:
        self._begin, self.seconds = time.monotonic(), seconds
        self.look = 0.0

    def at(self, share: float) -> float:
        """Clock time at a share of the seconds."""
        return self._begin + share * self.seconds

    @property
    def gone(self) -> float:
        """What share of the seconds is over."""
        return min((time.monotonic() - self._begin) / self.seconds, 1.0)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.at(1.0) - time.monotonic()

    def late(self, end: float) -> float:
        """Clock time at which what was planned to end at ``end``, and takes longer, is broken off."""
        return end + _LATE * (self.at(1.0) - end)

    def plan(
        self, field: Sequence[Contender], seeds: int, least: int, most: int, end: float
    ) -> Plan:
        """What of a field can be trained until ``end``, for ``least`` to ``most`` steps.

        All seeds and no halving where there is time for it; then three seeds, halvings, fewer seeds (for
        the luckiest of many looks best from one), fewer steps and fewer of the field, in this order. The
        number is 0 where not even one can be.
        """
        if not field:
            return Plan(0, 1, 0, most)
        often = [h for h in range(1, _HALVINGS + 1) if most >= _LEAST_RUNG * 2**h]
        ways = [(number, 0) for number in range(seeds, _SOME, -1)]
        ways += [(number, h) for number in range(min(seeds, _SOME), 0, -1) for h in (0, *often)]
        for number, halvings in ways:
            if self.reach(field, number, halvings, end) >= most and _have_room(field, number):
                return Plan(len(field), number, halvings, most)
        for count in range(len(field), 0, -1):
            some = field[:count]
            for halvings in (*reversed(often), 0):
                possible = int(min(self.reach(some, 1, halvings, end), most))
                enough = max(least, _LEAST_RUNG * 2**halvings if halvings else 0)
                if possible >= enough and _have_room(some, 1):
                    return Plan(count, 1, halvings, possible)
        return Plan(0, 1, 0, least)

    def reach(self, field: Sequence[Contender], seeds: int, halvings: int, end: float) -> float:
        """How many steps a field comes to until ``end``: with h halvings each step of the last costs
        (1 + h / 2) / 2^h of one of all.
        """
        cost = seeds * sum(each.cost for each in field)
        done = min(each.fewest_steps for each in field)
        worth = self._worth(len(field) * seeds, end) / cost + (0 if math.isinf(done) else done)
        return worth * float(2**halvings) / (1 + halvings / 2)

    def finalists(
        self,
        beside: Sequence[Contender],
        changed: Sequence[Contender],
        seeds: int,
        steps: int,
    ) -> tuple[int, int]:
        """How many of the changes can be trained for some steps from how many seeds, with what stands beside
        them: seeds are worth more than changes, but for a few of these. Fewer seeds than what stands beside
        has would not compare.
        """
        some = min(_FEW, len(changed))
        fewest = max((len(each.runs) for each in beside), default=1)
        ways = [
            (count, number)
            for least, most in ((some, len(changed)), (1, some - 1))
            for number in range(seeds, max(fewest, 2) - 1, -1)
            for count in range(most, least - 1, -1)
        ]
        for count, number in ways:
            chosen = [*beside, *changed[:count]]
            missing = ((number - len(each.runs)) * each.cost for each in chosen)
            work = steps * math.fsum(max(cost, 0.0) for cost in missing)
            if work <= self._worth(len(chosen) * number, self.at(1.0)):
                return count, number
        return len(changed), 1

    def _worth(self, runs: int, end: float) -> float:
        """Seconds of all threads together until ``end``, without those for looks at some runs."""
        left = end - time.monotonic() - _LOOKS * runs * self.look
        return _SAFE * max(left, 0.0) * threads.get_num_threads()


def _have_room(field: Sequence[Contender], seeds: int) -> bool:
    return seeds * sum(each.size for each in field) <= _MEMORY
