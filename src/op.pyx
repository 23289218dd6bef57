cdef class Operation:
    """One operation of a program: made by a kernel file, given to `program.Program`."""
