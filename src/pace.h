/* How many threads pay for a kind of work that is done again and again; found out while it runs.
 *
 * Two threads on one free CPU are slower than one, and only others know when the second CPU is free. They show
 * in two ways, of which neither asks the system: members of the team wait for each other, and steps take long.
 *
 * Time is looked at in slices. Where members waited for much of a slice, the next one tries fewer threads;
 * where fewer run than could, it tries more now and then. The faster of the two slices stays. What a trial
 * cost must be earned before the next: it comes when the loss is 1 % of the time since then. So a team whose
 * members hardly wait is never disturbed, and one in a busy place loses about 1 %.
 */
#ifndef VG_PACE_H
#define VG_PACE_H

/* All zeros before the first step. */
typedef struct {
    int threads;            /* chosen */
    int before;             /* the choice that a trial is compared with, or 0: nothing is tried */
    double before_seconds;  /* what a step took then */
    int stride;             /* how many more threads the next trial has */
    double due;             /* clock time of the next trial, at the earliest */
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

/* A step ended, at clock time `now`. */
void vg_pace_step(vg_pace *pace, int available, vg_step step, double now);

#endif
