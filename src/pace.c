#include "pace.h"

/* A few turns of a scheduler that divides a CPU. */
#define SLICE_SECONDS 0.01
/* Of the members' time: two with one CPU wait for half of it and more. */
#define MUCH_WAITING 0.2
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

static void doubt_later(vg_pace *pace, double rest, double now) {
    pace->doubt_rest = rest;
    pace->doubt_due = now + rest;
}

static void begin_trial(vg_pace *pace, int threads) {
    pace->before = pace->threads;
    pace->before_seconds = pace->seconds / pace->steps;
    pace->threads = threads;
}

static void give_up_trial(vg_pace *pace, double rest, double now) {
    if (pace->threads < pace->before)
        doubt_later(pace, most(rest, least(2 * pace->doubt_rest, LONGEST_DOUBT)), now);
    pace->threads = pace->before;
    pace->before = 0;
    pace->stride = 1;
    pace->due = now + most(rest, SHORTEST_REST);
}

static void judge_trial(vg_pace *pace, double now) {
    const int more = pace->threads > pace->before;
    const double expected = pace->steps * pace->before_seconds;
    if (pace->seconds >= expected * (more ? WORTHWHILE : 1)) {
        give_up_trial(pace, least(pace->seconds - expected, WORST_LOSS * expected) / LOSS_ALLOWED, now);
        return;
    }
    pace->before = 0;
    pace->stride = more ? 2 * pace->stride : 1;
    pace->due = more ? now : now + SHORTEST_REST;
    doubt_later(pace, pace->seconds / LOSS_ALLOWED, now);
}

static void consider_trial(vg_pace *pace, int available, double now) {
    const int idle = (int)(pace->waited / pace->seconds), threads = pace->threads;
    const int waiting = pace->waited > MUCH_WAITING * threads * pace->seconds;
    if (threads > 1 && waiting && now >= pace->due)
        begin_trial(pace, threads - (idle < 1 ? 1 : idle < threads ? idle : threads - 1));
    else if (threads > 1 && now >= pace->doubt_due)
        begin_trial(pace, threads / 2);
    else if (threads < available && now >= pace->due)
        begin_trial(pace, threads + pace->stride < available ? threads + pace->stride : available);
}

int vg_pace_threads(vg_pace *pace, int available) {
    if (pace->threads == 0) {
        pace->threads = available;
        pace->stride = 1;
    }
    return pace->threads < available ? pace->threads : available;
}

void vg_pace_step(vg_pace *pace, int available, vg_step step, double now) {
    if (step.running != pace->running) begin_slice(pace, step.running);
    pace->steps++;
    pace->seconds += step.seconds;
    pace->waited += step.waited;
    if (pace->seconds < SLICE_SECONDS) return;
    if (pace->doubt_rest == 0) doubt_later(pace, pace->seconds / LOSS_ALLOWED, now);
    if (step.running != pace->threads) { /* there were not as many CPUs or workers as chosen */
        if (pace->before != 0) give_up_trial(pace, 0, now);
    } else if (pace->before != 0) {
        judge_trial(pace, now);
    } else {
        consider_trial(pace, available, now);
    }
    begin_slice(pace, step.running);
}
