#include "pace.h"

/* A few turns of a scheduler that divides a CPU. */
#define SLICE_SECONDS 0.01
/* Of the members' time: two with one CPU wait for half of it and more. */
#define MUCH_WAITING 0.2
/* Slices that are no accident of the system's. */
#define LASTING 2
/* More threads are kept if they take less than this. */
#define WORTHWHILE 0.95
#define LOSS_ALLOWED 0.01
/* A trial that lost more than this many times its own time was an accident. */
#define WORST_LOSS 10
#define SHORTEST_REST 0.1
#define LONGEST_DOUBT 10.0

static double least(double a, double b) { return a < b ? a : b; }
static double most(double a, double b) { return a > b ? a : b; }

static void begin_slice(vg_pace *pace, int running) {
    pace->running = running;
    pace->steps = 0;
    pace->seconds = pace->waited = 0;
}

static void doubt_later(vg_pace *pace, double rest) {
    pace->doubt_rest = rest;
    pace->doubted = pace->worked;
}

static void begin_trial(vg_pace *pace, int threads) {
    pace->before = pace->threads;
    pace->before_seconds = pace->seconds / pace->steps;
    pace->threads = threads;
}

static void give_up_trial(vg_pace *pace, double rest) {
    if (pace->threads < pace->before) {
        pace->too_few = pace->threads;
        doubt_later(pace, most(rest, least(2 * pace->doubt_rest, LONGEST_DOUBT)));
    } else {
        pace->too_many = pace->threads;
        pace->too_few = 0;
        pace->patience = most(SHORTEST_REST, 2 * pace->patience);
        rest = least(rest, pace->patience);
    }
    pace->threads = pace->before;
    pace->before = 0;
    pace->due = pace->worked + most(rest, SHORTEST_REST);
}

static void judge_trial(vg_pace *pace) {
    const int grown = pace->threads > pace->before;
    const double expected = pace->steps * pace->before_seconds;
    if (pace->seconds >= expected * (grown ? WORTHWHILE : 1)) {
        give_up_trial(pace, least(pace->seconds - expected, WORST_LOSS * expected) / LOSS_ALLOWED);
        return;
    }
    pace->before = pace->too_few = 0;
    if (grown)
        pace->patience = 0;
    else
        pace->too_many = 0;
    pace->due = grown ? pace->worked : pace->worked + SHORTEST_REST;
    doubt_later(pace, 0);
}

/* Fewer threads: without those that wait, or half; where that was too few for this many, half of it. */
static int fewer(const vg_pace *pace, int waiting) {
    const int idle = (int)(pace->waited / pace->seconds);
    int found = pace->threads / 2;
    if (pace->too_few > 1)
        found = pace->too_few / 2;
    else if (waiting)
        found = pace->threads - (idle < 1 ? 1 : idle);
    return found < 1 ? 1 : found;
}

/* More threads: in the middle of what is available or was not too many, by bisection. */
static int more(vg_pace *pace, int available) {
    if (pace->too_many <= pace->threads + 1 || pace->too_many > available) pace->too_many = available + 1;
    return (pace->threads + pace->too_many) / 2;
}

static void consider_trial(vg_pace *pace, int available) {
    const int much = pace->waited > MUCH_WAITING * pace->threads * pace->seconds;
    pace->waiting = much ? pace->waiting + 1 : 0;
    const double doubt_due = pace->doubted + most(pace->doubt_rest, pace->seconds / LOSS_ALLOWED);
    const int could_grow = pace->threads < available;
    const int may_shrink = pace->threads > 1 && !(could_grow && pace->too_few > 0);
    const int lasting = pace->waiting >= LASTING;
    if (may_shrink && pace->worked >= (lasting ? pace->due : doubt_due))
        begin_trial(pace, fewer(pace, lasting));
    else if (could_grow && pace->worked >= pace->due)
        begin_trial(pace, more(pace, available));
}

int vg_pace_threads(vg_pace *pace, int available) {
    if (pace->threads == 0) pace->threads = available;
    return pace->threads < available ? pace->threads : available;
}

void vg_pace_step(vg_pace *pace, int available, vg_step step) {
    if (step.running != pace->running) begin_slice(pace, step.running);
    pace->steps++;
    pace->seconds += step.seconds;
    pace->waited += step.waited;
    pace->worked += step.seconds;
    if (pace->seconds < SLICE_SECONDS) return;
    if (pace->doubted == 0) doubt_later(pace, 0);
    if (step.running != pace->threads) { /* there were not as many CPUs or workers as chosen */
        if (pace->before != 0) give_up_trial(pace, 0);
    } else if (pace->before != 0) {
        judge_trial(pace);
    } else {
        consider_trial(pace, available);
    }
    begin_slice(pace, step.running);
}
