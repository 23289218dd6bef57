"""Diagnosis: what is wrong, where, why, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vgcore import _json
from vgcore.diagnosis import text
from vgcore.diagnosis.evidence import Outcome
from vgcore.diagnosis.finding import Finding, Measured
from vgcore.diagnosis.table import MARGIN

if TYPE_CHECKING:
    from vgcore.diagnosis.trial import Trials, Tried

FORMAT = "vgcore diagnosis 1"


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `Sequential.diagnose` and `GradientFlow.diagnose` find. It prints, and shows itself in a
    notebook.

    Attributes
    ----------
    findings : tuple of Finding
        In order of weight: illnesses, then what is worth knowing.
    outcome : Outcome or None
        How well it learns, beside chance and a plain network; None of a record alone.
    measured : dict of str to tuple of Measured
        By symptom: what every rule has measured, ill or not.
    cures : Trials or None
        The table of what was tried; None if nothing was.
    not_looked_at : tuple of str
        Symptoms for which there was nothing to look at.
    notes : tuple of str
        What makes it less sure.
    """

    findings: tuple[Finding, ...]
    outcome: Outcome | None = None
    measured: Mapping[str, tuple[Measured, ...]] = field(default_factory=dict)
    cures: Trials | None = None
    not_looked_at: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def illnesses(self) -> tuple[Finding, ...]:
        """The findings that are illnesses."""
        return tuple(finding for finding in self.findings if finding.ill)

    @property
    def healthy(self) -> bool:
        """Whether none of the findings is an illness."""
        return not self.illnesses

    @property
    def numbers(self) -> dict[str, float]:
        """What was measured, by what it is of."""
        return {each.what: each.value for each in reversed(self.nearest)}

    @property
    def nearest(self) -> list[Measured]:
        """What was measured, nearest to its threshold first."""
        return sorted(
            (each for many in self.measured.values() for each in many),
            key=lambda each: -each.closeness,
        )

    def followers(self, root: Finding) -> list[Finding]:
        """The findings that follow from one, directly or through others."""
        names = [root.symptom]
        for each in self.findings * 2:
            if each.follows_from in names and each.symptom not in names:
                names.append(each.symptom)
        return [each for each in self.findings if each.symptom in names[1:]]

    @property
    def verdict(self) -> str:
        """The whole in one sentence."""
        return text.verdict(self)

    @property
    def best(self) -> Tried | None:
        """The simplest of the best changes that were tried; None if none does better than no change.

        It is no change itself where that, trained for as many steps as were tried, is as good as any and
        better than the network is now.
        """
        if self.cures is None:
            return None
        none, now = self.cures.none, self.outcome
        better = now is not None and none.low > max(now.score, now.chance + now.luck) + MARGIN
        return self.cures.best or (none if better and self.cures.equal(none) else None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as strict JSON can hold it: None in the place of NaN and infinity."""
        best = self.best
        return {
            "format": FORMAT,
            "verdict": self.verdict,
            "healthy": self.healthy,
            "findings": [finding.to_dict() for finding in self.findings],
            "numbers": _json.strict(self.numbers),
            "cures": [] if self.cures is None else _json.strict(self.cures.to_rows()),
            "not_tried": [] if self.cures is None else list(self.cures.not_tried),
            "not_looked_at": list(self.not_looked_at),
            "notes": list(self.notes),
            "best": None if best is None else {"change": best.name, "code": best.code()},
        }

    def __str__(self) -> str:
        """The whole, as a terminal shows it."""
        return text.plain(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The whole, as a notebook shows it."""
        return text.html(self)
