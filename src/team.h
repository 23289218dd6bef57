/* Teams of threads: who runs, on how many CPUs, and how they wait for each other.
 *
 * A team is its caller and some of the process's workers, which are created at first need and sleep between
 * tasks. It runs one task together (SPMD) and meets at barriers. Every member flushes subnormal numbers to
 * zero during the task and has its own setting back afterwards.
 *
 * How many threads run never changes a result, so it is chosen anew whenever a step is done:
 *
 * 1. The process has a limit, and callers that run at the same time share it alike, whether they would use
 *    workers or not (`vg_team_share`). A caller that is gone for a moment still counts: it is between two
 *    calls.
 * 2. Within its share a caller finds out how many threads pay, for others may use the CPUs (pace.h).
 * 3. A member that waits spins for about as long as waking it would take, then yields for a turn of the
 *    scheduler, and then sleeps: where two members have one CPU, the other can run.
 *
 * Nobody waits for a worker to become free: a caller runs with those that are, or alone.
 */
#ifndef VG_TEAM_H
#define VG_TEAM_H

#include <pthread.h>
#include <stdatomic.h>

#define VG_MAX_THREADS 256
#define VG_CACHE_LINE 64

/* Where the members of a team wait for each other: in cache lines of its own, for it lies in a caller's frame. */
typedef struct {
    _Alignas(VG_CACHE_LINE) int threads;
    int dismissed;         /* at the next barrier; written by thread 0 */
    atomic_int arrived;
    atomic_uint phase;     /* its lowest bit: the team is dismissed; the others count barriers */
    atomic_int sleepers;
    atomic_llong waited;   /* nanoseconds, of all members together */
    pthread_mutex_t lock;  /* of sleepers */
    pthread_cond_t opened;
} vg_barrier;

typedef void (*vg_task)(void *argument, int thread, vg_barrier *barrier);

/* Makes forked children forget the workers and the callers, of which they have none; once per process. */
int vg_team_prepare(void);

/* How many threads all callers together may use: 1 at first. */
void vg_team_set_limit(int threads);
int vg_team_limit(void);

/* A caller comes, and goes. */
void vg_team_enter(void);
void vg_team_leave(void);

/* Whether the calling thread counts as one caller all the time, in its calls and between them. */
void vg_team_stay(int yes);

/* How many of the threads are the caller's, at clock time `now`. */
int vg_team_share(double now);

/* Around what a task calls that is no part of it: subnormals are numbers there. The first returns what the second
 * takes. */
unsigned vg_team_step_out(void);
void vg_team_step_in(unsigned inside);

/* Runs task(argument, t, barrier) for every t below barrier->threads, which is at most `threads`; returns when
 * all are done. */
void vg_team_run(int threads, vg_task task, void *argument);

/* Returns when every thread of the barrier has called it: whether the team is dismissed, to all the same. */
int vg_barrier_wait(vg_barrier *barrier);

/* Dismisses the team at the next barrier; for thread 0. */
void vg_barrier_dismiss(vg_barrier *barrier);

/* Seconds for which members waited since the last call, together; waits of a microsecond are not counted. */
double vg_barrier_waited(vg_barrier *barrier);

/* Seconds of a clock that never goes back. */
double vg_seconds(void);

#endif
