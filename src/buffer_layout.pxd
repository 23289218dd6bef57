"""Where activations, gradients of outputs, states, norms and taps lie."""

from .plan cimport Plan

# Gives all ops and the plan their buffers: for up to `threads` threads and, where sequences are longer than a
# window, `windows` of them; gradients: the flat vector of them. Returns the memory they lie in, which the
# caller keeps alive.
cdef object lay_buffers(
    Plan *plan, int threads, Py_ssize_t windows, bint input_gradient, gradients
)
