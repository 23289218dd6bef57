"""What a rule is: a function over the evidence, with its thresholds, their source, and what cures it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from vgcore.diagnosis.changes import CHANGES
from vgcore.diagnosis.finding import Certainty, Finding, Measured, Where

if TYPE_CHECKING:
    from vgcore.diagnosis.evidence import Evidence

WhereLearning = Literal["ill", "told", "untold"]


@dataclass(frozen=True)
class Sign:
    """What a rule has measured, ill or not.

    Attributes
    ----------
    measured : Measured
    sentence : str
    where : Where
    certainty : {"certain", "likely", "possible"}
    harmful : bool
        Whether it is an illness in a network that learns, too.
    """

    measured: Measured
    sentence: str
    where: Where = field(default_factory=Where)
    certainty: Certainty = "likely"
    harmful: bool = False


@dataclass(frozen=True)
class Symptom:
    """One rule.

    Attributes
    ----------
    name : str
    title : str
    rule : str
        What is measured, in words: the function's docstring.
    thresholds : dict of str to float
    source : str
        Of rule and thresholds.
    looks : str
        What it looks like: in which picture or field it is seen.
    usual : float or None
        Of a ratio what it is in networks that train well, about; None of other numbers.
    needs : tuple of str
        Attributes of `Evidence` without which there is nothing to look at.
    cures : tuple of str
        Keys of `vgcore.diagnosis.changes.CHANGES`, likeliest first.
    ill : bool
        Whether it is an illness, and not just worth knowing.
    where_learning : {"ill", "told", "untold"}
        In a network that learns as well as a plain one: an illness all the same, worth knowing, or neither.
    weight : float
        Of a finding, between 0 and 1, before it is known by how much the threshold is passed.
    """

    name: str
    title: str
    rule: str
    signs: Callable[[Evidence, Mapping[str, float]], Iterator[Sign]]
    thresholds: Mapping[str, float]
    source: str
    looks: str
    needs: tuple[str, ...]
    usual: float | None = None
    cures: tuple[str, ...] = ()
    ill: bool = True
    where_learning: WhereLearning = "told"
    weight: float = 0.5

    @property
    def read(self) -> str:
        """Where to read on."""
        return f"docs/cures.md#{self.name.replace('_', '-')}"

    def way(self, measured: Measured) -> float:
        """How far a number has come from what is usual to the threshold, in logarithms; 0 of no ratio."""
        if self.usual is None or not 0 < measured.value < math.inf:
            return 0.0
        return math.log(measured.value / self.usual) / math.log(measured.threshold / self.usual)

    def finding(self, sign: Sign, ill: bool) -> Finding:
        """What is told of a sign."""
        return Finding(
            symptom=self.name,
            title=self.title,
            sentence=sign.sentence,
            measured=sign.measured,
            certainty=sign.certainty if sign.measured.beyond else "possible",
            ill=ill,
            weight=self.weight,
            where=sign.where,
            may_help=tuple(CHANGES[key].name for key in self.cures),
            read=self.read,
        )


SYMPTOMS: dict[str, Symptom] = {}
"""Every rule by its name."""

Rule = Callable[["Evidence", Mapping[str, float]], Iterator[Sign]]


def symptom(
    title: str,
    *,
    thresholds: Mapping[str, float],
    source: str,
    looks: str,
    needs: tuple[str, ...],
    usual: float | None = None,
    cures: tuple[str, ...] = (),
    ill: bool = True,
    where_learning: WhereLearning = "told",
    weight: float = 0.5,
) -> Callable[[Rule], Rule]:
    """Register a rule, by the name of its function."""

    def register(rule: Rule) -> Rule:
        name = rule.__name__
        SYMPTOMS[name] = Symptom(
            name,
            title,
            inspect.cleandoc(rule.__doc__ or ""),
            rule,
            thresholds,
            source,
            looks,
            needs,
            usual,
            cures,
            ill,
            where_learning,
            weight,
        )
        return rule

    return register
