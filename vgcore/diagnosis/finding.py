"""What a diagnosis is made of: findings, each with the number that was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from vgcore import _json

if TYPE_CHECKING:
    from vgcore.diagnosis.suggestion import Suggestion

Certainty = Literal["certain", "likely", "possible"]
CERTAINTIES: tuple[Certainty, ...] = ("certain", "likely", "possible")


@dataclass(frozen=True)
class Measured:
    """A number, and the threshold that it has passed.

    Attributes
    ----------
    what : str
        Of what it is: "gradient of dense1 over that of dense8".
    value, threshold : float
    above : bool
        Whether it is a symptom above the threshold, or below it.
    """

    what: str
    value: float
    threshold: float
    above: bool = False

    @property
    def beyond(self) -> bool:
        """Whether the threshold is passed; NaN never is."""
        return self.value > self.threshold if self.above else self.value < self.threshold

    @property
    def closeness(self) -> float:
        """How near it is to the threshold: 1 at it, more beyond; 0 where it cannot be said."""
        value, threshold = (self.value, self.threshold)[:: 1 if self.above else -1]
        if not (value > 0 and threshold >= 0):
            return 0.0
        return value / threshold if threshold > 0 else math.inf

    def __str__(self) -> str:
        """The number and the threshold in a line."""
        side = "above" if self.above else "below"
        return (
            f"{self.what}: {in_digits(self.value)} (a symptom {side} {in_digits(self.threshold)})"
        )


def in_digits(value: float) -> str:
    """A number in about three digits."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


@dataclass(frozen=True)
class Where:
    """Where it was found; empty where it is of no such place.

    Attributes
    ----------
    layers : tuple of str
        By the tracker's names.
    units : dict of str to tuple of int
        Of layers; those of one layer without parameters of its own are its inputs'.
    timesteps, steps : (int, int) or None
        First and last, of a sequence and of training.
    moment : {"", "start", "now"}
        When, of what is looked at twice.
    samples, inputs, outputs : tuple of int
        Rows of x, its features, and columns of y or classes.
    """

    layers: tuple[str, ...] = ()
    units: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    timesteps: tuple[int, int] | None = None
    steps: tuple[int, int] | None = None
    moment: Literal["", "start", "now"] = ""
    samples: tuple[int, ...] = ()
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Factor:
    """By what the gradient is multiplied on its way back through one layer, or one timestep.

    Attributes
    ----------
    place : str
        "dense3", or "timestep 41".
    total : float
        Root mean square of dL/dz below, over that above.
    weights, slopes, norms, skips : float
        What each has part in it, whose product is the total; 1 where there is no such thing.
    """

    place: str
    total: float
    weights: float = 1.0
    slopes: float = 1.0
    norms: float = 1.0
    skips: float = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes
    ----------
    symptom : str
        Its name, as in `vgcore.diagnosis.SYMPTOMS`: "vanishing_gradient".
    title : str
        The name in words.
    sentence : str
        What it is, where, how much, and what follows from it.
    certainty : {"certain", "likely", "possible"}
        "certain": no gradient can exist, or no training can help, whatever follows.
    ill : bool
        Whether it is an illness, and not just worth knowing.
    weight : float
        Between 0 and 1. Findings that follow from no other come first, in order of it.
    follows_from : str
        The symptom of another finding that explains this one; empty where there is none.
    measured : Measured
    where : Where
    why : tuple of Factor
        Of gradients that vanish or explode: layer by layer, or timestep by timestep, from the loss back.
    why_sentence : str
        The same in words, or why it cannot be told; empty where there is nothing to tell.
    may_help : tuple of str
        Changes that may cure it, in words, likeliest first; of a record alone, which has no
        suggestions, all that there is.
    suggestions : tuple of Suggestion
        Those of them that apply to the network; none was tried for this.
    read : str
        Where to read on, in docs/cures.md.
    """

    symptom: str
    title: str
    sentence: str
    measured: Measured
    certainty: Certainty = "likely"
    ill: bool = True
    weight: float = 0.5
    follows_from: str = ""
    where: Where = field(default_factory=Where)
    why: tuple[Factor, ...] = ()
    why_sentence: str = ""
    may_help: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    read: str = ""

    def with_(self, **changes: Any) -> Finding:
        """The same with some attributes changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """All of it as strict JSON can hold it, None for NaN and infinity; of suggestions name and code."""
        told = asdict(replace(self, suggestions=()))
        told["suggestions"] = [each.to_dict() for each in self.suggestions]
        return dict(_json.strict(told))
