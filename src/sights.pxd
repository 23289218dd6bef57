"""What can be seen of an op from outside, and its copies."""

from .op cimport Op
from .plan cimport Plan, Run, Sight
from .window cimport Share

# Keep what a step would overwrite.
cdef void open_op(Op *op) noexcept

# Where something of an op lies: how many sights it has, one or one for each gate; 0 where there is no such
# thing. Where to copy them is the caller's to say.
cdef int find_sights(const Plan *plan, int index, str what, Sight *found) except -1

# What of an op is looked at in front of its backward, or `behind`: this thread's rows of the window.
cdef void look(const Run *run, const Share *share, int index, bint behind) noexcept nogil
