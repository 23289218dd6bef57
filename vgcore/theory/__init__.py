"""What should be seen: mean-field theory of wide networks, Jacobians, Lyapunov exponents."""

from importlib import import_module
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

_ABOVE = {  # what works on models, which are made of layers, which start as mean-field theory says
    "Lyapunov": "exponents",
    "Prediction": "prediction",
    "input_jacobian": "isometry",
    "lyapunov": "exponents",
    "predict": "prediction",
    "singular_values": "isometry",
}


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:
    _missing = _answers.attributes(__name__)

    def __getattr__(name: str) -> Any:
        if name not in _ABOVE:
            return _missing(name)
        return getattr(import_module(f"{__name__}.{_ABOVE[name]}"), name)
