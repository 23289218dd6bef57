"""What should be seen: mean-field theory of wide networks, and Jacobians through time."""

from vgcore.theory import meanfield

__all__ = ["meanfield"]
