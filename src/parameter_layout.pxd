"""Where parameters lie, and how they are cut for threads, norms and updates."""

from .plan cimport Plan

# Points the parameters of all ops into the flat vectors `values`, `gradients` and `states` (at most
# RULE_STATES), where parameter j of op i begins at element `offsets[i][j]`, which is in `undecayed` where
# weight decay leaves it out. Returns how many there are.
cdef int lay_parameters(
    Plan *plan, list offsets, values, gradients, list states, frozenset undecayed
) except -1
