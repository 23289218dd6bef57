#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#define FLUSH_AND_DENORMALS_ARE_ZERO 0x8040u
static unsigned flush_subnormals(void) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | FLUSH_AND_DENORMALS_ARE_ZERO);
    return before;
}
static void restore_subnormals(unsigned before) { _mm_setcsr(before); }
static void relax(void) { _mm_pause(); }
#else
static unsigned flush_subnormals(void) { return 0; }
static void restore_subnormals(unsigned before) { (void)before; }
static void relax(void) {}
#endif

/* A waiting thread spins this often before it offers its core to others. */
#define SPINS 2000

static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER; /* held by the caller whose task runs */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  /* guards all below */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, finished = PTHREAD_COND_INITIALIZER;
static int workers, running;
static unsigned long generation;
static vg_task current_task;
static void *current_argument;
static vg_barrier current_barrier;

void vg_barrier_wait(vg_barrier *barrier) {
    if (barrier->threads == 1) return;
    const unsigned phase = atomic_load_explicit(&barrier->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == barrier->threads) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->phase, phase + 1, memory_order_release);
        return;
    }
    for (long spins = 0; atomic_load_explicit(&barrier->phase, memory_order_acquire) == phase; spins++) {
        if (spins < SPINS)
            relax();
        else
            sched_yield();
    }
}

static void run_member(vg_task task, void *argument, int thread, vg_barrier *barrier) {
    const unsigned before = flush_subnormals();
    task(argument, thread, barrier);
    restore_subnormals(before);
}

static void *work(void *index) {
    const int thread = (int)(size_t)index;
    unsigned long seen = 0;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (generation == seen || thread >= current_barrier.threads) {
            seen = generation;
            pthread_cond_wait(&wake, &lock);
        }
        seen = generation;
        pthread_mutex_unlock(&lock);
        run_member(current_task, current_argument, thread, &current_barrier);
        pthread_mutex_lock(&lock);
        if (--running == 0) pthread_cond_signal(&finished);
    }
    return NULL;
}

/* A forked child has this module's memory but none of its threads. */
static void forget_workers(void) {
    pthread_mutex_init(&owner, NULL);
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&wake, NULL);
    pthread_cond_init(&finished, NULL);
    workers = running = 0;
    current_barrier.threads = 0;
}

/* Creates workers until `wanted` threads can run; returns how many can. */
static int hire(int wanted) {
    static int prepared;
    if (!prepared) prepared = pthread_atfork(NULL, NULL, forget_workers) == 0;
    while (workers + 1 < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)(size_t)(workers + 1)) != 0) break;
        pthread_detach(thread);
        workers++;
    }
    return workers + 1 < wanted ? workers + 1 : wanted;
}

void vg_team_run(int threads, vg_task task, void *argument) {
    if (threads < 2 || pthread_mutex_trylock(&owner) != 0) {
        vg_barrier alone = {.threads = 1};
        run_member(task, argument, 0, &alone);
        return;
    }
    pthread_mutex_lock(&lock);
    threads = hire(threads);
    current_task = task;
    current_argument = argument;
    current_barrier.threads = threads;
    atomic_store(&current_barrier.arrived, 0);
    running = threads - 1;
    generation++;
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);

    run_member(task, argument, 0, &current_barrier);

    pthread_mutex_lock(&lock);
    while (running > 0) pthread_cond_wait(&finished, &lock);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&owner);
}

double vg_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
