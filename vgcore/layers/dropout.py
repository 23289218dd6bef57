"""Dropout, and that of self-normalising networks."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from vgcore import _validate
from vgcore._core import dropout
from vgcore._core.op import Operation
from vgcore._settings import Checks
from vgcore.layers.base import Shape, features
from vgcore.layers.same_shape import SameShape


class Dropout(SameShape):
    """``h = m x / (1 - rate)``: while training, each m is 0 with probability ``rate`` and else 1.

    Srivastava et al. 2014; scaled, so that the mean stays and prediction leaves x as it is. Masks follow
    from the model's seed, the step and the layer alone: they are the same for any number of threads, and
    `Sequential.gradients` uses those of the step that comes next.

    Parameters
    ----------
    rate : float, 0 <= rate < 1
        It may be assigned later on: the next step goes by it.
    across_time : bool
        One mask for all timesteps of a sequence, as recurrent layers need it (Gal and Ghahramani 2016,
        arXiv 1512.05287, section 4), or for all places of an image: whole channels are dropped (Tompson et
        al. 2015, arXiv 1411.4280, section 3.2).
    name : str, optional
        By default "dropout1", "dropout2", ...

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    kind: ClassVar[str] = "dropout"
    arguments = ("rate", "across_time")
    passes_on = True
    alpha: ClassVar[bool] = False
    checks: ClassVar[Checks] = {
        **SameShape.checks,
        "rate": partial(_validate.real, minimum=0, below=1),
    }
    free = (*SameShape.free, "rate")

    def __init__(self, rate: float, *, across_time: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = rate
        self.across_time = _validate.boolean("across_time", across_time)

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of dropout.pyx."""
        operation = dropout.operation(
            features(input_shape),
            rate=self.rate,
            across=self.across_time,
            alpha=self.alpha,
            real_bytes=real_bytes,
        )
        return [operation]


class AlphaDropout(Dropout):
    """``h = a (m x + (1 - m) D) + b``: while training, each m is 0 with probability ``rate`` and else 1.

    Klambauer, Unterthiner, Mayr and Hochreiter 2017 (arXiv 1706.02515, section "New dropout technique"), for
    networks of "selu" units: what is dropped becomes D = -1.7581, where selu is flat, and ``a = 1 / sqrt((1 -
    rate) (1 + rate D^2))`` and ``b = -a rate D`` keep a mean of 0 and a variance of 1. As
    `torch.nn.AlphaDropout`; prediction leaves x as it is. Masks are made as those of `Dropout`.

    Parameters
    ----------
    rate : float, 0 <= rate < 1
        It may be assigned later on: the next step goes by it.
    across_time : bool
        One mask for all timesteps of a sequence, or for all places of an image, as
        `torch.nn.FeatureAlphaDropout` has it.
    name : str, optional
        By default "alphadropout1", "alphadropout2", ...

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    kind: ClassVar[str] = "alphadropout"
    alpha: ClassVar[bool] = True
