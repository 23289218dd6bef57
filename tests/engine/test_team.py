"""Who shares the CPUs, and how many threads pay: the policy, as functions of times that are made up."""

import multiprocessing
import time

import numpy as np
import pytest

from vgcore._core import team


class World:
    """Work on a made-up machine: ``step`` gives the seconds of a step on so many threads, and for how much
    of it threads waited, together.
    """

    def __init__(self, step, available):
        self.step, self.available = step, available
        self.pace, self.now, self.steps = team.PaceOf(), 0.0, 0
        self.ran = {}  # seconds by number of threads

    def run(self, seconds):
        """Steps in a while."""
        end, before = self.now + seconds, self.steps
        while self.now < end:
            threads = self.pace.threads(self.available)
            assert 1 <= threads <= self.available
            took, waited = self.step(threads)
            self.now += took
            self.ran[threads] = self.ran.get(threads, 0) + took
            self.steps += 1
            self.pace.step(self.available, running=threads, seconds=took, waited=waited)
        return self.steps - before


def free(threads):
    """Each thread has a CPU."""
    return 0.002 * (0.1 + 0.9 / threads), 0.00005 * (threads - 1)


def crowded(cpus):
    """Of more threads than CPUs, all wait for those that share one."""

    def step(threads):
        seconds, waited = free(threads)
        return (seconds, waited) if threads <= cpus else (5 * seconds, 2.5 * threads * seconds)

    return step


def far(threads):
    """CPUs that are slow to share what they write: nobody waits, and two take longer."""
    return 0.002 * threads**0.5, 0.0


@pytest.mark.parametrize("available", [1, 2, 3, 64])
def test_all_threads_run_at_first(available):
    assert team.PaceOf().threads(available) == available


@pytest.mark.parametrize("available", [2, 3, 8, 64])
def test_a_team_with_free_cpus_is_hardly_disturbed(available):
    world = World(free, available)
    assert world.run(60) > 0.985 * 60 / free(available)[0]


def uneven(threads):
    """Shares of which one is larger, so that all others always wait."""
    seconds = free(threads)[0]
    return seconds, 0.4 * (threads - 1) * seconds


@pytest.mark.parametrize("step", [crowded(1), far], ids=["crowded", "far"])
def test_where_more_threads_are_slower_fewer_run(step):
    world = World(step, 2)
    world.run(3)
    steps = world.run(60)
    assert steps > 0.98 * 60 / step(1)[0]


def test_waiting_members_are_noticed_at_once():
    world = World(crowded(1), 2)
    world.run(0.1)
    assert world.ran[2] < 0.03


@pytest.mark.parametrize("step", [free, uneven])
@pytest.mark.parametrize(("cpus", "available"), [(1, 2), (2, 4), (3, 4)])
def test_when_the_cpus_are_free_again_all_threads_work(cpus, available, step):
    world = World(crowded(cpus), available)
    world.run(60)
    world.step = step
    world.run(30)
    assert world.run(30) > 0.95 * 30 / step(available)[0]


@pytest.mark.parametrize(("cpus", "available"), [(5, 8), (1, 8), (3, 4), (63, 64), (20, 64)])
def test_the_number_that_pays_is_found(cpus, available):
    world = World(crowded(cpus), available)
    world.run(60)
    assert world.run(60) > 0.9 * 60 / free(cpus)[0]


def test_a_trial_that_the_system_stopped_is_not_paid_for_for_ever():
    def step(threads):
        return (3600.0, 0.0) if threads == 2 and not stopped.append(0) else crowded(1)(threads)

    stopped = []
    world = World(crowded(1), 2)
    world.run(3)
    world.step = step
    while not stopped:
        world.run(0.01)
    world.step = free
    world.run(20)
    assert world.run(1) == pytest.approx(1 / free(2)[0], rel=0.05)


@pytest.mark.parametrize("usual", [0.001, 0.02, 0.04])
@pytest.mark.parametrize(("per_second", "length"), [(5, 0.01), (2, 0.03), (10, 0.005)])
def test_a_system_that_takes_a_cpu_away_for_moments_changes_little(usual, per_second, length):
    """Each thread is stopped now and then, and the others wait for it."""
    rng = np.random.default_rng(3)

    def step(threads):
        seconds = usual * (0.1 + 0.9 / threads)
        stopped = length * rng.exponential(size=rng.poisson(per_second * seconds * threads)).sum()
        return seconds + stopped, (threads - 1) * stopped

    world = World(step, 2)
    world.run(120)
    assert world.ran[2] > 0.93 * sum(world.ran.values())


def test_what_the_share_did_not_allow_is_not_judged():
    """Slices on fewer threads than chosen, for others have them, change no choice."""
    pace = team.PaceOf()
    assert pace.threads(2) == 2
    for _ in range(500):
        assert pace.threads(1) == 1
        pace.step(1, running=1, seconds=0.01, waited=0)
    assert pace.threads(2) == 2


@pytest.fixture
def limit_of_six():
    before = team.limit()
    team.set_limit(6)
    yield
    team.set_limit(before)


def comes_back(share):
    """Whether the share is that again, after a moment in which those who left still count."""
    end = time.monotonic() + 10
    while team.share() != share and time.monotonic() < end:
        time.sleep(0.001)
    return team.share() == share


@pytest.mark.usefixtures("limit_of_six")
def test_callers_share_the_limit():
    assert comes_back(6)
    shares = []
    present = [team.Present() for _ in range(7)]
    for caller in present:
        caller.__enter__()
        shares.append(team.share())
    for caller in present:
        caller.__exit__()
    assert shares == [6, 3, 2, 1, 1, 1, 1]
    assert comes_back(6)


def tell_share(pipe):
    pipe.send(team.share())


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.usefixtures("limit_of_six")
def test_a_forked_child_shares_with_no_caller_of_its_parent():
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    with team.Present(), team.Present():
        assert team.share() == 3
        child = context.Process(target=tell_share, args=(sender,))
        child.start()
        assert receiver.poll(30)
        assert receiver.recv() == 6
        child.join()
