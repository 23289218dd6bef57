cdef class Operation:
    """One operation of a program: made by a kernel file, given to `engine.Program`."""

    @property
    def parameter_shapes(self):
        """(rows, columns) of each parameter as stored."""
        return [
            (self.op.parameter[i].rows, self.op.parameter[i].value.cols)
            for i in range(self.op.parameters)
        ]
