"""What should be seen: mean-field theory of wide networks, Jacobians, Lyapunov exponents."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vgcore import _answers
from vgcore.theory import meanfield

if TYPE_CHECKING:
    from vgcore.theory.exponents import Lyapunov, lyapunov
    from vgcore.theory.isometry import input_jacobian, singular_values

__all__ = ["Lyapunov", "input_jacobian", "lyapunov", "meanfield", "singular_values"]


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


# What lies above the layers is made of them, and loaded when it is asked for
_LATER = {
    "Lyapunov": "exponents",
    "lyapunov": "exponents",
    "input_jacobian": "isometry",
    "singular_values": "isometry",
}

if not TYPE_CHECKING:
    _missing = _answers.attributes(__name__)

    def __getattr__(name: str) -> Any:
        if name in _LATER:
            return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return _missing(name)
