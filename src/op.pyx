cdef class Operation:
    """One operation of a program: made by a kernel file, given to `program.Program`."""

    def __cinit__(self):
        self.op.source = -1
        for i in range(MAX_PARAMETERS):
            self.op.parameter[i].trained = True

    def lay(self, Py_ssize_t x_places, Py_ssize_t h_places):
        """Inputs of so many places, and outputs; 0: as many as there are timesteps."""
        self.op.x_places = x_places
        self.op.h_places = h_places
        return self

    def wire(self, *, int source=-1, int second=0):
        """Read the outputs of other operations than the one before; counted from this one."""
        self.op.source = source
        self.op.second = second
        return self
