"""Noise that is added while training."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from vgcore import _validate
from vgcore._core import noise
from vgcore._core.op import Operation
from vgcore._settings import Checks
from vgcore.layers.base import Shape, features
from vgcore.layers.same_shape import SameShape


class GaussianNoise(SameShape):
    """``h = x + stddev e``: while training, each e is drawn from the standard normal distribution.

    Sietsma and Dow 1991, "Creating artificial neural networks that generalize"; Bishop 1995, "Training with
    noise is equivalent to Tikhonov regularization". Prediction leaves x as it is. Noise follows from the
    model's seed, the step and the layer alone, as the masks of `Dropout` do.

    Parameters
    ----------
    stddev : float, >= 0
        It may be assigned later on: the next step goes by it.
    name : str, optional
        By default "gaussiannoise1", "gaussiannoise2", ...

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.
    """

    kind: ClassVar[str] = "gaussiannoise"
    arguments = ("stddev",)
    passes_on = True
    checks: ClassVar[Checks] = {
        **SameShape.checks,
        "stddev": partial(_validate.real, minimum=0),
    }
    free = (*SameShape.free, "stddev")

    def __init__(self, stddev: float, *, name: str | None = None) -> None:
        super().__init__(name)
        self.stddev = stddev

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of noise.pyx."""
        return [noise.operation(features(input_shape), stddev=self.stddev, real_bytes=real_bytes)]
