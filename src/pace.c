#include "pace.h"

/* A few turns of a scheduler that shares a CPU. */
#define SLICE_SECONDS 0.01
/* Of the members' time; two on one CPU wait for at least half as much again. */
#define MUCH_WAITING 0.2
/* More threads must be faster by so much to be kept. */
#define WORTHWHILE 0.95
#define LOSS_ALLOWED 0.01
#define SHORTEST_REST 0.1
#define LONGEST_REST 10.0

static double clamp(double x, double least, double most) { return x < least ? least : x > most ? most : x; }

static void begin_slice(vg_pace *pace, int running) {
    pace->running = running;
    pace->steps = 0;
    pace->seconds = pace->waited = 0;
}

static void begin_trial(vg_pace *pace, int threads) {
    pace->before = pace->threads;
    pace->before_seconds = pace->seconds / pace->steps;
    pace->threads = threads;
}

static void give_up_trial(vg_pace *pace, double rest, double now) {
    pace->threads = pace->before;
    pace->before = 0;
    pace->stride = 1;
    pace->due = now + clamp(rest, SHORTEST_REST, LONGEST_REST);
}

static void judge_trial(vg_pace *pace, double now) {
    const int more = pace->threads > pace->before;
    const double expected = pace->steps * pace->before_seconds;
    if (pace->seconds >= expected * (more ? WORTHWHILE : 1)) {
        give_up_trial(pace, (pace->seconds - expected) / LOSS_ALLOWED, now);
        return;
    }
    pace->before = 0;
    pace->stride = more ? 2 * pace->stride : 1;
    pace->due = more ? now : now + SHORTEST_REST;
}

static void consider_trial(vg_pace *pace, int available) {
    const int idle = (int)(pace->waited / pace->seconds);
    const int more = pace->threads + pace->stride;
    if (pace->threads > 1 && pace->waited > MUCH_WAITING * pace->threads * pace->seconds)
        begin_trial(pace, (int)clamp(pace->threads - idle, 1, pace->threads - 1));
    else if (pace->threads < available)
        begin_trial(pace, more < available ? more : available);
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
    if (step.running != pace->threads) { /* there were not as many CPUs or workers as chosen */
        if (pace->before != 0) give_up_trial(pace, 0, now);
    } else if (pace->before != 0) {
        judge_trial(pace, now);
    } else if (now >= pace->due) {
        consider_trial(pace, available);
    }
    begin_slice(pace, step.running);
}
