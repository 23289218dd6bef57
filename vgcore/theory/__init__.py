"""What should be seen: mean-field theory of wide networks, Jacobians, Lyapunov exponents."""

from typing import TYPE_CHECKING, Any

from vgcore import _answers
from vgcore.theory import meanfield

if TYPE_CHECKING:
    from vgcore.theory.exponents import Lyapunov, lyapunov
    from vgcore.theory.isometry import input_jacobian, singular_values
    from vgcore.theory.prediction import Prediction, predict

__all__ = [
    "Lyapunov",
    "Prediction",
    "input_jacobian",
    "lyapunov",
    "meanfield",
    "predict",
    "singular_values",
]


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # what works on models, which are made of layers, which start as mean-field theory says
    _missing = _answers.attributes(__name__)

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            return _missing(name)
        from vgcore.theory import exponents, isometry, prediction

        rooms = (exponents, isometry, prediction)
        return next(getattr(room, name) for room in rooms if hasattr(room, name))
