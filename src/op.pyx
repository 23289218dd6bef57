from .function cimport ActivationFunction
from .simd cimport NO_ACTIVATION, leaf_table


cdef class Operation:
    """One operation of a program: made by a kernel file, given to `program.Program`."""

    def __cinit__(self):
        self.op.source = -1
        self.kept = []
        self.op.gate_buffer = self.op.delta_buffer = -1
        for i in range(MAX_GATES):
            self.op.gate_block[i] = i
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


cdef void set_up(
    Operation made, const Kind *kind, Py_ssize_t inputs, Py_ssize_t outputs, Py_ssize_t real_bytes
):
    made.op.kind = kind
    made.op.leaf = leaf_table(real_bytes)
    made.op.activation = made.op.gate_activation = NO_ACTIVATION
    made.op.gates = 1
    made.op.x.cols = inputs
    made.op.h.cols = outputs


cdef void set_activation(Operation made, ActivationFunction activation):
    made.op.activation = activation.function
    made.op.activates = True
    made.op.keeps_z |= activation.keeps_z
    made.kept.append(activation)


cdef void set_gate_activation(Operation made, ActivationFunction activation):
    made.op.gate_activation = activation.function
    made.op.keeps_z |= activation.keeps_z
    made.kept.append(activation)
