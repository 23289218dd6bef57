/* Optimizer updates. Parameters are padded with zeros to whole vectors, so arrays have no tails here.
 *
 * The gradient is read and never written; clipping acts on the fly. With `norms`, the L2 norms of the
 * parameter before the update, of its unclipped gradient and of the update are taken in the same pass.
 */

/* What an update rule sees of one vector of the parameter; `step` is subtracted from it. */
typedef struct {
    real rate, decay, momentum, beta2, epsilon, correction1, root2, scale, limit;
    int nesterov;
} Rule;

static Rule rule_of(const vg_update *u) {
    return (Rule){
        .rate = (real)u->rate,
        .decay = (real)u->weight_decay,
        .momentum = (real)u->momentum,
        .beta2 = (real)u->beta2,
        .epsilon = (real)u->epsilon,
        .correction1 = (real)u->correction1,
        .root2 = (real)sqrt(u->correction2),
        .scale = (real)u->gradient_scale,
        .limit = (real)u->gradient_limit,
        .nesterov = u->nesterov,
    };
}

typedef vec (*Step)(vec w, vec g, real *state1, real *state2, const Rule *rule);

INLINE vec plain_step(vec w, vec g, real *state1, real *state2, const Rule *rule) {
    (void)w, (void)state1, (void)state2;
    return rule->rate * rule->scale * g;
}

INLINE vec sgd_step(vec w, vec g, real *state1, real *state2, const Rule *rule) {
    (void)state1, (void)state2;
    return rule->rate * (g + rule->decay * w);
}

/* Sutskever et al. 2013, eq. 1-4, in PyTorch's form: v = m v + g */
INLINE vec momentum_step(vec w, vec g, real *velocity, real *state2, const Rule *rule) {
    (void)state2;
    g += rule->decay * w;
    const vec v = rule->momentum * load(velocity) + g;
    store(velocity, v);
    return rule->rate * (rule->nesterov ? g + rule->momentum * v : v);
}

/* Kingma and Ba 2015, algorithm 1 */
INLINE vec adam_step(vec w, vec g, real *moment1, real *moment2, const Rule *rule) {
    g += rule->decay * w;
    const vec m = rule->momentum * load(moment1) + (1 - rule->momentum) * g;
    const vec v = rule->beta2 * load(moment2) + (1 - rule->beta2) * (g * g);
    store(moment1, m);
    store(moment2, v);
    return rule->rate / rule->correction1 * m / (square_root(v) / rule->root2 + rule->epsilon);
}

/* Moves are squared times this and over this: one of the two neither over- nor underflows. */
#if REAL_BITS == 32
#define MOVE_SCALE 0x1p60f
#else
#define MOVE_SCALE 0x1p500
#endif

/* Sums of squares of a chunk: of the values, the gradient, and the moves scaled up and down. */
typedef struct {
    vec value, gradient, small_move, large_move;
} Squares;

/* A chunk whose norm was like this can have its values squared on their way through the update; before that
 * is known, they are summed in a pass of their own, which can be repeated in double. */
#define IS_ORDINARY(norm) ((norm) > 1e-6 && (norm) < 1e15)

/* One vector. `clipped`: the gradient is scaled and limited first. `proportional`: a move is the gradient
 * times rate x scale, and so is its norm. */
INLINE void update_vector(Step step, const int clipped, const int proportional, real *w, real *state1,
                          real *state2, const real *g, const Rule *rule, Squares *squares) {
    const vec raw = load(g), value = load(w);
    vec gradient = raw;
    if (clipped) {
        gradient *= rule->scale;
        gradient = choose(gradient > all(rule->limit), all(rule->limit), gradient);
        gradient = choose(gradient < all(-rule->limit), all(-rule->limit), gradient);
    }
    const vec move = rounded(step(value, gradient, state1, state2, rule));
    store(w, value - move);
    if (squares) {
        squares->value += value * value;
        squares->gradient += raw * raw;
    }
    if (squares && !proportional) {
        const vec up = move * MOVE_SCALE, down = move * (1 / MOVE_SCALE);
        squares->small_move += up * up;
        squares->large_move += down * down;
    }
}

INLINE void update_chunks(Step step, const int clipped, const int proportional, real *w, real *state1,
                          real *state2, const real *g, ptrdiff_t n, ptrdiff_t chunk, const Rule *rule,
                          const vg_norms *norms) {
    for (ptrdiff_t begin = 0, c = 0; begin < n; begin += chunk, c++) {
        const ptrdiff_t end = begin + chunk < n ? begin + chunk : n;
        Squares even = {{0}, {0}, {0}, {0}}, odd = even; /* two chains of additions hide their latency */
        const int ordinary = norms && IS_ORDINARY(norms->weight[c]);
        if (norms && !ordinary) norms->weight[c] = norm(w + begin, end - begin);
        ptrdiff_t i = begin;
        for (; i + LANES < end; i += 2 * LANES) {
            update_vector(step, clipped, proportional, w + i, state1 + i, state2 + i, g + i, rule,
                          norms ? &even : NULL);
            update_vector(step, clipped, proportional, w + i + LANES, state1 + i + LANES,
                          state2 + i + LANES, g + i + LANES, rule, norms ? &odd : NULL);
        }
        if (i < end)
            update_vector(step, clipped, proportional, w + i, state1 + i, state2 + i, g + i, rule,
                          norms ? &even : NULL);
        if (!norms) continue;
        const double factor = (double)rule->rate * rule->scale;
        const double small_move = lane_sum(even.small_move + odd.small_move);
        const double large_move = lane_sum(even.large_move + odd.large_move);
        if (ordinary)
            norms->weight[c] = norm_from_squares(lane_sum(even.value + odd.value), w + begin, end - begin, 1, end - begin);
        norms->gradient[c] = norm_from_squares(lane_sum(even.gradient + odd.gradient), g + begin, end - begin, 1, end - begin);
        norms->update[c] = proportional            ? norms->gradient[c] * factor
                           : small_move < INFINITY ? sqrt(small_move) / MOVE_SCALE
                                                   : sqrt(large_move) * MOVE_SCALE;
    }
}

#define UPDATE(step, clipped, proportional)                                                            \
    do {                                                                                               \
        if (norms)                                                                                     \
            update_chunks(step, clipped, proportional, w, state1, state2, g, n, chunk, &rule, norms);  \
        else                                                                                           \
            update_chunks(step, clipped, proportional, w, state1, state2, g, n, chunk, &rule, NULL);   \
    } while (0)

static void sgd(void *w, void *state1, void *state2, const void *g, ptrdiff_t n, ptrdiff_t chunk,
                const vg_update *u, const vg_norms *norms) {
    const Rule rule = rule_of(u);
    const int limited = u->gradient_limit < INFINITY;
    if (state1)
        UPDATE(momentum_step, 1, 0);
    else if (limited || u->weight_decay != 0)
        UPDATE(sgd_step, 1, 0);
    else
        UPDATE(plain_step, 0, 1);
}

static void adam(void *w, void *state1, void *state2, const void *g, ptrdiff_t n, ptrdiff_t chunk,
                 const vg_update *u, const vg_norms *norms) {
    const Rule rule = rule_of(u);
    UPDATE(adam_step, 1, 0);
}
#undef UPDATE
