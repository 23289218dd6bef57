"""Teams of threads (team.h), and how many of them pay (pace.h): the one place where the process has them."""

cdef extern from "team.h" nogil:
    ctypedef void (*TeamTask "vg_task")(void *argument, int thread, Barrier *barrier) noexcept
    int team_prepare "vg_team_prepare"()
    void team_set_limit "vg_team_set_limit"(int threads)
    void team_enter "vg_team_enter"()
    void team_leave "vg_team_leave"()
    void team_stay "vg_team_stay"(int yes)
    unsigned team_step_out "vg_team_step_out"()
    void team_step_in "vg_team_step_in"(unsigned inside)
    int team_limit "vg_team_limit"()
    int team_share "vg_team_share"(double now)
    void team_run "vg_team_run"(int threads, TeamTask task, void *argument)
    int team_wait "vg_barrier_wait"(Barrier *barrier)
    void team_dismiss "vg_barrier_dismiss"(Barrier *barrier)
    double team_waited "vg_barrier_waited"(Barrier *barrier)
    double team_seconds "vg_seconds"()

cdef extern from "pace.h" nogil:
    ctypedef struct PaceStep "vg_step":
        int running
        double seconds, waited
    int pace_threads "vg_pace_threads"(Pace *pace, int available)
    void pace_step "vg_pace_step"(Pace *pace, int available, PaceStep step)


if team_prepare() != 0:
    raise MemoryError("vgcore: no memory to prepare for forks")


cdef void enter() noexcept nogil:
    team_enter()


cdef void leave() noexcept nogil:
    team_leave()


cdef unsigned step_out() noexcept nogil:
    return team_step_out()


cdef void step_in(unsigned inside) noexcept nogil:
    team_step_in(inside)


cdef inline int available(int most, double now) noexcept nogil:
    return min(most, team_share(now))


cdef int threads_now(Pace *pace, int most, double now) noexcept nogil:
    return 1 if most == 1 else pace_threads(pace, available(most, now))


cdef void run_team(int threads, Task task, void *argument) noexcept nogil:
    team_run(threads, task, argument)


cdef bint barrier_wait(Barrier *barrier) noexcept nogil:
    return team_wait(barrier)


cdef void dismiss(Barrier *barrier) noexcept nogil:
    team_dismiss(barrier)


cdef bint step_done(Pace *pace, int most, Barrier *barrier, double begin, double now) noexcept nogil:
    cdef PaceStep step
    cdef int free
    if most == 1:
        return False
    free = available(most, now)
    step = PaceStep(running=barrier.threads, seconds=now - begin, waited=team_waited(barrier))
    pace_step(pace, free, step)
    return pace_threads(pace, free) != barrier.threads


cdef double seconds_now() noexcept nogil:
    return team_seconds()


def set_limit(int threads):
    """Let all callers of the process together use so many threads."""
    team_set_limit(threads)


def limit():
    """Threads that all callers of the process together may use."""
    return team_limit()


def share():
    """Threads that one caller may use now."""
    return team_share(team_seconds())


class Present:
    """A context in which one more caller counts, and does nothing; for tests and measurements."""

    def __enter__(self):
        team_enter()

    def __exit__(self, *error):
        team_leave()


class Staying:
    """A context in which this thread counts as one caller between its calls, too: one of many that train."""

    def __enter__(self):
        team_stay(True)

    def __exit__(self, *error):
        team_stay(False)


cdef class PaceOf:
    """How many threads pay for some work, as the engine finds out; for tests."""
    cdef Pace pace

    def threads(self, int available):
        """Threads to run on, of so many."""
        return pace_threads(&self.pace, available)

    def step(self, int available, *, int running, double seconds, double waited):
        """A step was done."""
        pace_step(&self.pace, available, PaceStep(running=running, seconds=seconds, waited=waited))
