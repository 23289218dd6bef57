/* How many threads pay for a kind of work that is done again and again; found out while it runs.
 *
 * Two threads on one free CPU are slower than one, and so are two whose CPUs are far apart if they share much.
 * The system is not asked: time is measured, in slices.
 *
 * A trial is a slice with another number of threads; the faster of it and the slice before it stays. Where
 * members waited for each other for much of two slices, which they do where others use their CPUs, the next one
 * tries fewer; where fewer run than could, it tries more. A trial must be earned: it comes when what the one
 * before it lost is 1 % of the work since then, and the time between two calls is no work. But a system that takes a
 * CPU away for a moment makes a slice look bad by accident: when more threads did not pay for the first times, they
 * are tried again sooner. A team whose members hardly wait is doubted, too, but ever more rarely.
 */
#ifndef VG_PACE_H
#define VG_PACE_H

/* All zeros before the first step. */
typedef struct {
    int threads;            /* chosen */
    int before;             /* the choice that a trial is compared with, or 0: nothing is tried */
    double before_seconds;  /* what a step took then */
    int too_few, too_many;  /* what trials found last, or 0: the next ones are beyond, and in between */
    double worked;          /* the time of all steps: the clock of what follows */
    double due;             /* when the next trial may come */
    double patience;        /* how long one with more threads rests at most: 0 after one that paid */
    int waiting;            /* slices in a row, in which members waited for much of the time */
    double doubted;         /* when fewer were tried last though few waited, or the first slice ended, */
    double doubt_rest;      /* and for how long they are not tried again */
    int running;            /* of the present slice: threads that ran, */
    long steps;             /* steps, */
    double seconds;         /* time, */
    double waited;          /* and for how long threads waited, together */
} vg_pace;

/* One step: on `running` threads it took `seconds`, for `waited` of which they waited, together. */
typedef struct {
    int running;
    double seconds, waited;
} vg_step;

/* Threads to run on, of the `available` ones. */
int vg_pace_threads(vg_pace *pace, int available);

/* A step ended. */
void vg_pace_step(vg_pace *pace, int available, vg_step step);

#endif
