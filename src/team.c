#include "team.h"

#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#define FLUSH_AND_DENORMALS_ARE_ZERO 0x8040u
static unsigned flush_subnormals(void) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | FLUSH_AND_DENORMALS_ARE_ZERO);
    return before;
}
static unsigned keep_subnormals(void) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before & ~FLUSH_AND_DENORMALS_ARE_ZERO);
    return before;
}
static void restore_subnormals(unsigned before) { _mm_setcsr(before); }
static void relax(void) { _mm_pause(); }
#elif defined(__aarch64__)
#define FLUSH_TO_ZERO (UINT64_C(1) << 24) /* FZ of FPCR: of what goes in and of what comes out */
static uint64_t control(void) {
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}
static void set_control(uint64_t fpcr) { __asm__ volatile("msr fpcr, %0" : : "r"(fpcr) : "memory"); }
static unsigned flush_subnormals(void) {
    const uint64_t before = control();
    set_control(before | FLUSH_TO_ZERO);
    return (unsigned)before;
}
static unsigned keep_subnormals(void) {
    const uint64_t before = control();
    set_control(before & ~FLUSH_TO_ZERO);
    return (unsigned)before;
}
static void restore_subnormals(unsigned before) { set_control(before); }
static void relax(void) { __asm__ volatile("yield"); }
#else
static unsigned flush_subnormals(void) { return 0; }
static unsigned keep_subnormals(void) { return 0; }
static void restore_subnormals(unsigned before) { (void)before; }
static void relax(void) {}
#endif

/* A waiting thread spins this often before it looks at the clock, */
#define SHORT_SPINS 20
/* and for about as long as waking it would take before it offers its CPU to others. */
#define SPIN_SECONDS 50e-6
/* It does so for a turn of the scheduler before it sleeps: members that sleep in turn look like one, and are
 * left on one CPU; bench/threads.py, D3. */
#define YIELD_SECONDS 4e-3
/* A caller counts for this long after its call. */
#define AWAY_SECONDS 0.02

typedef struct {
    vg_barrier barrier;
    vg_task task;
    void *argument;
    int running; /* workers */
    pthread_cond_t finished;
} team;

typedef struct worker {
    struct worker *next; /* of the idle ones */
    team *team;          /* or NULL: idle */
    int thread;
    pthread_cond_t called;
} worker;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards workers, and how many run for whom */
static worker *idle;
static int hired;

static atomic_int limit = 1, callers;
static atomic_int together;         /* callers, the most at once */
static atomic_llong together_until; /* nanoseconds */

static long long nanoseconds(double seconds) { return (long long)(seconds * 1e9); }

double vg_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- callers share the CPUs */

void vg_team_set_limit(int threads) { atomic_store(&limit, threads); }
int vg_team_limit(void) { return atomic_load(&limit); }

static _Thread_local int stays; /* this thread counts between its calls, too */

void vg_team_enter(void) {
    if (!stays) atomic_fetch_add(&callers, 1);
}

void vg_team_leave(void) {
    if (!stays) atomic_fetch_sub(&callers, 1);
}

void vg_team_stay(int yes) {
    if (yes == stays) return;
    stays = yes;
    atomic_fetch_add(&callers, yes ? 1 : -1);
}

int vg_team_share(double now) {
    const int present = atomic_load(&callers);
    if (present >= atomic_load(&together) || nanoseconds(now) > atomic_load(&together_until)) {
        atomic_store(&together, present);
        atomic_store(&together_until, nanoseconds(now + AWAY_SECONDS));
    }
    const int among = atomic_load(&together), threads = atomic_load(&limit);
    return among < 2 ? threads : threads > among ? threads / among : 1;
}

/* ---- members wait for each other */

static void open_barrier(vg_barrier *barrier, unsigned phase) {
    atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
    atomic_store(&barrier->phase, ((phase | 1) + 1) | (unsigned)barrier->dismissed);
    if (atomic_load(&barrier->sleepers) == 0) return;
    pthread_mutex_lock(&barrier->lock);
    pthread_cond_broadcast(&barrier->opened);
    pthread_mutex_unlock(&barrier->lock);
}

static int spin(const atomic_uint *word, unsigned old, int turns) {
    for (int i = 0; i < turns; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return 1;
        relax();
    }
    return 0;
}

static void await_phase_after(vg_barrier *barrier, unsigned phase) {
    if (spin(&barrier->phase, phase, SHORT_SPINS)) return;
    const double begin = vg_seconds();
    int open = 0;
    while (!open && vg_seconds() < begin + SPIN_SECONDS) open = spin(&barrier->phase, phase, SHORT_SPINS);
    while (!open && vg_seconds() < begin + YIELD_SECONDS) {
        sched_yield();
        open = spin(&barrier->phase, phase, 1);
    }
    if (!open) {
        pthread_mutex_lock(&barrier->lock);
        atomic_fetch_add(&barrier->sleepers, 1);
        while (atomic_load(&barrier->phase) == phase) pthread_cond_wait(&barrier->opened, &barrier->lock);
        atomic_fetch_sub(&barrier->sleepers, 1);
        pthread_mutex_unlock(&barrier->lock);
    }
    atomic_fetch_add_explicit(
        &barrier->waited, nanoseconds(vg_seconds() - begin), memory_order_relaxed
    );
}

int vg_barrier_wait(vg_barrier *barrier) {
    if (barrier->threads == 1) return barrier->dismissed;
    const unsigned phase = atomic_load_explicit(&barrier->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == barrier->threads)
        open_barrier(barrier, phase);
    else
        await_phase_after(barrier, phase);
    return (int)(atomic_load_explicit(&barrier->phase, memory_order_acquire) & 1);
}

void vg_barrier_dismiss(vg_barrier *barrier) { barrier->dismissed = 1; }

double vg_barrier_waited(vg_barrier *barrier) {
    return 1e-9 * (double)atomic_exchange_explicit(&barrier->waited, 0, memory_order_relaxed);
}

/* ---- workers */

unsigned vg_team_step_out(void) { return keep_subnormals(); }
void vg_team_step_in(unsigned inside) { restore_subnormals(inside); }

static void run_member(team *mine, int thread) {
    const unsigned before = flush_subnormals();
    mine->task(mine->argument, thread, &mine->barrier);
    restore_subnormals(before);
}

static void *work(void *argument) {
    worker *self = argument;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (self->team == NULL) pthread_cond_wait(&self->called, &lock);
        pthread_mutex_unlock(&lock);
        run_member(self->team, self->thread);
        pthread_mutex_lock(&lock);
        if (--self->team->running == 0) pthread_cond_signal(&self->team->finished);
        self->team = NULL;
        self->next = idle;
        idle = self;
    }
    return NULL;
}

/* A forked child has this module's memory but none of its threads. */
static void forget_threads(void) {
    pthread_mutex_init(&lock, NULL);
    idle = NULL;
    hired = 0;
    stays = 0;
    atomic_store(&callers, 0);
    atomic_store(&together, 0);
}

int vg_team_prepare(void) { return pthread_atfork(NULL, NULL, forget_threads); }

static worker *hire(void) {
    pthread_t thread;
    worker *new = calloc(1, sizeof(worker));
    if (new == NULL) return NULL;
    pthread_cond_init(&new->called, NULL);
    if (pthread_create(&thread, NULL, work, new) != 0) {
        free(new);
        return NULL;
    }
    pthread_detach(thread);
    hired++;
    return new;
}

/* A worker that is free, or NULL: all that the limit allows are busy. */
static worker *free_worker(void) {
    worker *found = idle;
    if (found != NULL) {
        idle = found->next;
        return found;
    }
    return hired + 1 < atomic_load(&limit) ? hire() : NULL;
}

/* Calls as many workers as are free, for a team of up to `threads`. */
static void call_workers(team *mine, int threads) {
    worker *member;
    pthread_mutex_init(&mine->barrier.lock, NULL);
    pthread_cond_init(&mine->barrier.opened, NULL);
    pthread_cond_init(&mine->finished, NULL);
    pthread_mutex_lock(&lock);
    while (mine->running + 1 < threads && (member = free_worker()) != NULL) {
        member->thread = ++mine->running;
        member->team = mine;
        pthread_cond_signal(&member->called);
    }
    mine->barrier.threads = mine->running + 1;
    pthread_mutex_unlock(&lock);
}

static void await_workers(team *mine) {
    pthread_mutex_lock(&lock);
    while (mine->running > 0) pthread_cond_wait(&mine->finished, &lock);
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&mine->finished);
    pthread_cond_destroy(&mine->barrier.opened);
    pthread_mutex_destroy(&mine->barrier.lock);
}

void vg_team_run(int threads, vg_task task, void *argument) {
    team mine = {.task = task, .argument = argument, .barrier = {.threads = 1}};
    if (threads > 1) call_workers(&mine, threads);
    run_member(&mine, 0);
    if (threads > 1) await_workers(&mine);
}
