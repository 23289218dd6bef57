"""Which gradients of outputs may lie in one place: those that are never alive together.

Backward runs from the last op to the first, and threads meet once behind each. The gradient dh of an op's
output is written first by the backward of the last op that reads the output, and read last by the op's own
`gradient`, after its barrier: a slow thread may still be there while a fast one is in the backward of the op
before. So it is alive from its last reader down to the op before its own; in a mere stack that makes three
buffers, in turn.

Where dx of an op may be its dh itself, both are one. A fork has two gradients, one for each of its readers;
that of a skip without layers is the join's own dh, which nobody changes any more.
"""


cdef class GradientBuffers:
    """Filled layer by layer, from input to output; a layer is known by the number of its first op."""

    def __cinit__(self, Py_ssize_t ops):
        self.slot_of = [-1] * ops      # of each layer's dh
        self.second_of = [-1] * ops    # ... and dh2
        self.live = []                 # of each slot: [first, last] op
        self.sizes = []                # in bytes
        self.place_of = []
        self.readers = {}              # of each fork, in order

    def add_layer(
        self, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t source, Py_ssize_t second, *,
        bint fork, Py_ssize_t size, bint in_place,
    ):
        """Ops begin to end - 1, which read the outputs of layers `source` and `second` (-1: none)."""
        for layer in (source, second):
            if layer in self.readers and begin not in self.readers[layer]:
                self.readers[layer].append(begin)
        taken = self._slot(source, begin) if source >= 0 else -1
        if in_place and self.sizes[taken] == size:
            self.slot_of[begin] = taken
        elif size > 0:
            self.slot_of[begin] = self._new(size)
        for slot in (taken, self._slot(second, begin) if second >= 0 else -1):
            if slot >= 0:
                self._reach(slot, end - 1)
        if self.slot_of[begin] >= 0:
            self._reach(self.slot_of[begin], begin - 1)
            self._reach(self.slot_of[begin], end)
        if second in self.readers:
            self._unite(second, begin)
        if fork:
            self.readers[begin] = []
            self.second_of[begin] = self._new(size)
            self._reach(self.second_of[begin], begin - 1)
            self._reach(self.second_of[begin], end)

    def _new(self, size):
        self.live.append(None)
        self.sizes.append(size)
        return len(self.sizes) - 1

    def _slot(self, layer, reader):
        """Where `reader` leaves the gradient of a layer's output."""
        return self.second_of[layer] if self.is_second(reader, layer) else self.slot_of[layer]

    def _reach(self, slot, op):
        first, last = self.live[slot] or (op, op)
        self.live[slot] = [min(first, op), max(last, op)]

    def _unite(self, fork, join):
        """The gradient of the skip is that of the join."""
        old, kept = self.second_of[fork], self.slot_of[join]
        self._reach(kept, self.live[old][0])
        self.live[old] = None
        self.second_of[fork] = kept

    cdef bint is_second(self, Py_ssize_t reader, Py_ssize_t layer):
        return layer in self.readers and self.readers[layer].index(reader) == 1

    cdef Py_ssize_t total_bytes(self):
        """Bytes of all places; decides which slot gets which."""
        order = sorted(
            (slot for slot, live in enumerate(self.live) if live), key=lambda slot: -self.live[slot][1]
        )
        self.place_of = [-1] * len(self.live)
        free_below, widths = [], []
        for slot in order:
            first, last = self.live[slot]
            free = [i for i, limit in enumerate(free_below) if last < limit]
            if free:
                place = min(free, key=lambda i: abs(widths[i] - self.sizes[slot]))
            else:
                place = len(free_below)
                free_below.append(0)
                widths.append(0)
            free_below[place] = first
            widths[place] = max(widths[place], self.sizes[slot])
            self.place_of[slot] = place
        starts = [sum(widths[:i]) for i in range(len(widths))]
        self.place_of = [starts[place] if place >= 0 else -1 for place in self.place_of]
        return sum(widths)

    cdef void lay(self, char *base):
        self.base = base

    cdef void *place(self, Py_ssize_t layer):
        """Of a layer's dh."""
        return self._at(self.slot_of[layer])

    cdef void *place_of_second(self, Py_ssize_t layer):
        """Of a fork's dh2."""
        return self._at(self.second_of[layer])

    cdef void *_at(self, Py_ssize_t slot):
        return NULL if slot < 0 else self.base + <Py_ssize_t>self.place_of[slot]
