"""Teams of threads (team.h), and how many of them pay (pace.h)."""

cdef extern from "team.h" nogil:
    const int MAX_THREADS "VG_MAX_THREADS"
    ctypedef struct Barrier "vg_barrier":
        int threads

cdef extern from "pace.h" nogil:
    ctypedef struct Pace "vg_pace":
        pass

ctypedef void (*Task)(void *argument, int thread, Barrier *barrier) noexcept nogil

# A caller comes, and goes.
cdef void enter() noexcept nogil
cdef void leave() noexcept nogil

# Around what a task calls that is no part of it: subnormals are numbers there. The first returns what the
# second takes.
cdef unsigned step_out() noexcept nogil
cdef void step_in(unsigned inside) noexcept nogil

# Threads to run on at clock time `now`, of the `most` that would pay with a CPU for each.
cdef int threads_now(Pace *pace, int most, double now) noexcept nogil

# Runs task(argument, thread, barrier) on up to so many threads.
cdef void run_team(int threads, Task task, void *argument) noexcept nogil

# Returns when every thread has called it: whether the team is dismissed.
cdef bint barrier_wait(Barrier *barrier) noexcept nogil

# Dismisses the team at the next barrier; for thread 0.
cdef void dismiss(Barrier *barrier) noexcept nogil

# A step of the work is done, which began at clock time `begin`: whether it should go on with another number
# of threads; for thread 0.
cdef bint step_done(Pace *pace, int most, Barrier *barrier, double begin, double now) noexcept nogil

cdef double seconds_now() noexcept nogil
