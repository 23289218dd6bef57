"""What should be seen: mean-field theory of wide networks, Jacobians, Lyapunov exponents."""

from typing import TYPE_CHECKING, Any

from vgcore.theory import meanfield

if TYPE_CHECKING:
    from vgcore.theory.exponents import Lyapunov, lyapunov
    from vgcore.theory.isometry import input_jacobian, singular_values

__all__ = ["Lyapunov", "input_jacobian", "lyapunov", "meanfield", "singular_values"]


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


def __getattr__(name: str) -> Any:
    """What works on models, which are made of layers, which start as the mean-field theory says."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vgcore.theory import exponents, isometry

    return getattr(exponents if hasattr(exponents, name) else isometry, name)
