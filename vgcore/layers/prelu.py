"""ReLU with a learned slope."""

from __future__ import annotations

from typing import ClassVar

from vgcore import _validate, initializers
from vgcore._core import prelu
from vgcore._core.op import Operation
from vgcore.layers.base import Parameter, Shape, View, features
from vgcore.layers.same_shape import SameShape


class PReLU(SameShape):
    """``h = max(x, 0) + weight min(x, 0)``: a ReLU whose slope below 0 is learned.

    He, Zhang, Ren and Sun 2015 (arXiv 1502.01852, eq. 1), who do not decay the slopes.

    Parameters
    ----------
    shared : bool
        One slope for all features or channels instead of one for each: `torch.nn.PReLU(1)`.
    initial : float
        Where slopes start.
    name : str, optional
        By default "prelu1", "prelu2", ...

    Attributes
    ----------
    weight : ndarray, (features,) or (1,)

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or not finite.
    """

    kind: ClassVar[str] = "prelu"
    slopes = True
    arguments = ("shared", "initial")
    weight = View()

    def __init__(
        self, *, shared: bool = False, initial: float = 0.25, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.shared = _validate.boolean("shared", shared)
        self.initial = _validate.real("initial", initial)

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """The slopes."""
        slopes = 1 if self.shared else features(input_shape)
        return [Parameter("weight", (slopes,), initializers.Constant(self.initial))]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The kernels of prelu.pyx."""
        return [prelu.operation(features(input_shape), shared=self.shared, real_bytes=real_bytes)]
