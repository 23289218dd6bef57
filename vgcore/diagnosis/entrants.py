"""What takes part in a trial: no change, a plain network, changes that were suggested and random ones, and
combinations of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np

from vgcore.diagnosis.changes import CHANGES, changes_of, clash, combined, described, ordered
from vgcore.diagnosis.changes.data import has_own_targets, is_sparse
from vgcore.diagnosis.changes.training import TESTED
from vgcore.diagnosis.evidence import Samples
from vgcore.diagnosis.plain import plain_network
from vgcore.diagnosis.preparation import ScaleInputs, ScaleTargets
from vgcore.diagnosis.race import Contender, Kind
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rows import Rows

Keys = tuple[str, ...]

_TESTING = 0.1  # share of the time left that the training of a range test may take
_HURTS = 0.02  # a change that lowers the score by more is combined last


class Entrants:
    """Makes contenders of changes, and says what could not be made.

    Parameters
    ----------
    none : Contender
        No change.
    rows : Rows
    rng : numpy.random.Generator
        Of random changes.
    left : callable
        Says how many seconds are left.
    """

    def __init__(
        self,
        none: Contender,
        rows: Rows,
        rng: np.random.Generator,
        left: Callable[[], float],
    ) -> None:
        self._none, self._rows, self._rng, self._left = none, rows, rng, left
        self.not_tried: list[str] = []
        self._known = [described(none.recipe)]

    def of(self, many: Iterable[Keys], kind: Kind = "change") -> list[Contender]:
        """Contenders of the changes that apply, and come to no recipe that there is already."""
        found = (self._of(keys, kind) for keys in many)
        return [each for each in found if each is not None]

    def _of(self, keys: Keys, kind: Kind) -> Contender | None:
        change = combined(changes_of(keys))
        if change.trains and self._none.cost * TESTED > _TESTING * self._left():
            self.not_tried.append(change.name)
            return None
        try:
            made = change.edit(self._none.recipe, *self._rows.train)
        except ValueError:  # of a range test: minibatches that are too small for a norm
            self.not_tried.append(f"{change.name} (does not fit)")
            return None
        if made is None or (recipe := described(made)) in self._known:
            return None
        self._known.append(recipe)
        return Contender(change.name, kind, keys, made)

    def together(self, groups: Iterable[Keys], singles: Sequence[Contender]) -> list[Contender]:
        """Of each group those changes that apply by themselves, made together."""
        there = {key for each in singles for key in each.changes}
        found: list[Keys] = []
        for group in groups:
            kept: list[str] = []
            for key in group:
                if key in there and not (kept and clash((*kept, key))):
                    kept.append(key)
            if len(kept) > 1 and ordered(kept) not in found:
                found.append(ordered(kept))
        return self.of(found)

    def drawn(self, number: int, taken: Sequence[Contender]) -> list[Contender]:
        """As many random changes, but for those that are tried anyway."""
        known = {each.changes for each in taken}
        found: list[Contender] = []
        for key in self._rng.permutation(list(CHANGES)):
            if len(found) < number and (str(key),) not in known:
                found += self.of([(str(key),)], "random")
        return found

    def reference(self) -> list[Contender]:
        """A plain network, if there is one for such targets."""
        x, y, lengths = self._rows.train
        recipe = self._none.recipe
        if has_own_targets(recipe, y):
            return []
        numeric = recipe.layers[0].vocabulary is None
        if numeric:
            x = np.asarray(x, np.float64)
        samples = Samples(x, y, lengths, is_sparse(recipe))
        plain = plain_network(samples)
        if plain is None:
            return []
        made = Recipe.of(plain.model, batch_size=recipe.fitting["batch_size"])
        if numeric:
            made = made.prepared_by(ScaleInputs(), x, y, lengths)
        if samples.kind == "numbers":
            made = made.prepared_by(ScaleTargets(), x, y, lengths)
        return [Contender("a plain network", "reference", (), made)]

    def combinations(self, tried: Sequence[Contender]) -> Iterator[Contender]:
        """What was not tried yet, the most promising first: the best without one of its own changes, and with
        each other, those that hurt last; pairs of those that were suggested, where nothing helps.
        """
        changed = [each for each in tried if each.changes]
        best = max((each for each in changed if each.runs), key=lambda each: each.score)
        singles = [each for each in changed if len(each.changes) == 1]
        singles.sort(key=lambda each: -each.gain)
        harmless = [each for each in singles if each.gain >= -_HURTS]
        wanted = [(*best.changes, *each.changes) for each in harmless]
        if len(best.changes) > 2:
            wanted = [*combinations(best.changes, len(best.changes) - 1), *wanted]
        if best.gain <= 0:
            suggested = [each.changes for each in singles if each.kind == "change"]
            pairs = sorted(combinations(range(len(suggested)), 2), key=sum)
            wanted = [suggested[one] + suggested[other] for one, other in pairs] + wanted
        wanted += [(*best.changes, *each.changes) for each in singles if each not in harmless]
        known = {each.changes for each in changed}
        for keys in dict.fromkeys(map(ordered, wanted)):
            if keys not in known and not clash(keys):
                yield from self.of([keys])
