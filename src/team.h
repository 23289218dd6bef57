/* A team of threads that runs one task together (SPMD).
 *
 * The workers are created at first need, sleep between tasks and are shared by the whole process; a caller
 * that finds them busy runs its task alone. Every member flushes subnormal numbers to zero during the task
 * and has its own setting back afterwards.
 */
#ifndef VG_TEAM_H
#define VG_TEAM_H

#include <stdatomic.h>

#define VG_MAX_THREADS 256

typedef struct {
    int threads;
    atomic_int arrived;
    atomic_uint phase;
} vg_barrier;

typedef void (*vg_task)(void *argument, int thread, vg_barrier *barrier);

/* Runs task(argument, t, barrier) for every t below barrier->threads, which is `threads` or 1; returns when
 * all are done. */
void vg_team_run(int threads, vg_task task, void *argument);

/* Returns when every thread of the barrier has called it. */
void vg_barrier_wait(vg_barrier *barrier);

/* Seconds of a clock that never goes back. */
double vg_seconds(void);

#endif
