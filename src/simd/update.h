/* Optimizer updates. Parameters are padded with zeros to whole vectors, so arrays have no tails here.
 *
 * The gradient is read and never written; clipping acts on the fly. With `norms`, the L2 norms of the
 * parameter before the update, of its unclipped gradient and of the update are taken in the same pass.
 * Formulas and the placement of epsilon are PyTorch's (torch.optim), Lion's those of its paper.
 */

/* What an update rule sees of a step. */
typedef struct {
    real rate, decay, beta1, beta2, rest1, rest2, epsilon, gradient_part, moment_part, root_part, scale, shrink,
        limit;
    int nesterov, centered, shrinking;
} Rule;

static Rule rule_of(const vg_update *u) {
    return (Rule){
        .rate = (real)u->rate,
        .decay = (real)u->weight_decay,
        .beta1 = (real)u->beta1,
        .beta2 = (real)u->beta2,
        .rest1 = (real)(1 - u->beta1),
        .rest2 = (real)(1 - u->beta2),
        .epsilon = (real)u->epsilon,
        .gradient_part = (real)u->gradient_part,
        .moment_part = (real)u->moment_part,
        .root_part = (real)u->root_part,
        .scale = (real)u->gradient_scale,
        .shrink = (real)u->gradient_shrink,
        .shrinking = u->gradient_shrink != 1,
        .limit = (real)u->gradient_limit,
        .nesterov = u->nesterov,
        .centered = u->centered,
    };
}

/* What is subtracted from w, one vector of the parameter; its states are at state[k] + i. */
typedef vec (*Step)(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule);

/* The new value of an exponential moving average. */
INLINE vec averaged(real *average, vec x, real beta, real rest) {
    const vec new = beta * load(average) + rest * x;
    store(average, new);
    return new;
}

/* Of gradients so large that they hardly ever are. */
INLINE vec shrunk(vec g, const Rule *rule) { return rule->shrinking ? rule->shrink * g : g; }

INLINE vec plain_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    (void)w, (void)state, (void)i;
    return rule->rate * (rule->scale * shrunk(g, rule));
}

INLINE vec sgd_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    (void)state, (void)i;
    return rule->rate * (g + rule->decay * w);
}

/* Sutskever et al. 2013, eq. 1-4, in PyTorch's form: v = m v + g */
INLINE vec momentum_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    g += rule->decay * w;
    const vec v = rule->beta1 * load(state[0] + i) + g;
    store(state[0] + i, v);
    return rule->rate * (rule->nesterov ? g + rule->beta1 * v : v);
}

/* Duchi et al. 2011, section 1.1, of diagonal matrices */
INLINE vec adagrad_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    g += rule->decay * w;
    const vec sum = load(state[0] + i) + g * g;
    store(state[0] + i, sum);
    return rule->rate * rule->gradient_part * g / (square_root(sum) + rule->epsilon);
}

/* Zeiler 2012, algorithm 1 */
INLINE vec adadelta_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    g += rule->decay * w;
    const vec square = averaged(state[0] + i, g * g, rule->beta2, rule->rest2);
    const vec delta = square_root((load(state[1] + i) + rule->epsilon) / (square + rule->epsilon)) * g;
    averaged(state[1] + i, delta * delta, rule->beta2, rule->rest2);
    return rule->rate * delta;
}

/* Tieleman and Hinton 2012; centered: Graves 2013, eq. 38-41. States: the mean square; the mean, if centered;
 * the velocity, if there is momentum. */
INLINE vec rmsprop_step(const int momentum, vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    g += rule->decay * w;
    vec square = averaged(state[0] + i, g * g, rule->beta2, rule->rest2);
    if (rule->centered) {
        const vec mean = averaged(state[1] + i, g, rule->beta2, rule->rest2);
        square = at_least(square - mean * mean, all(0)); /* of a constant g, rounding may leave less */
    }
    const vec scaled = g / (square_root(square) + rule->epsilon);
    if (!momentum) return rule->rate * scaled;
    real *velocity = state[rule->centered ? 2 : 1] + i;
    const vec v = rule->beta1 * load(velocity) + scaled;
    store(velocity, v);
    return rule->rate * v;
}
INLINE vec rmsprop_plain_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    return rmsprop_step(0, w, g, state, i, rule);
}
INLINE vec rmsprop_momentum_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    return rmsprop_step(1, w, g, state, i, rule);
}

/* Kingma and Ba 2015, algorithm 1 */
INLINE vec adam_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    g += rule->decay * w;
    const vec m = averaged(state[0] + i, g, rule->beta1, rule->rest1);
    const vec v = averaged(state[1] + i, g * g, rule->beta2, rule->rest2);
    return rule->rate * rule->moment_part * m / (square_root(v) * rule->root_part + rule->epsilon);
}

/* Loshchilov and Hutter 2019, algorithm 2 */
INLINE vec adamw_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    const vec m = averaged(state[0] + i, g, rule->beta1, rule->rest1);
    const vec v = averaged(state[1] + i, g * g, rule->beta2, rule->rest2);
    const vec move = rule->rate * rule->moment_part * m / (square_root(v) * rule->root_part + rule->epsilon);
    return move + rule->rate * rule->decay * w;
}

/* Dozat 2016, algorithm 8 */
INLINE vec nadam_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    g += rule->decay * w;
    const vec m = averaged(state[0] + i, g, rule->beta1, rule->rest1);
    const vec v = averaged(state[1] + i, g * g, rule->beta2, rule->rest2);
    const vec mixed = rule->gradient_part * g + rule->moment_part * m;
    return rule->rate * mixed / (square_root(v) * rule->root_part + rule->epsilon);
}

/* Chen et al. 2023, algorithm 2 */
INLINE vec lion_step(vec w, vec g, real *const *state, ptrdiff_t i, const Rule *rule) {
    const vec c = rule->beta1 * load(state[0] + i) + rule->rest1 * g;
    averaged(state[0] + i, g, rule->beta2, rule->rest2);
    const vec sign = choose(c > all(0), all(1), choose(c < all(0), all(-1), c)); /* NaN remains */
    return rule->rate * (sign + rule->decay * w);
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

/* Of so many chunks norms are made together, so that none waits for the root of the one before. */
#define UNSETTLED 16

/* One vector. `clipped`: the gradient is scaled and limited first. `proportional`: a move is the gradient
 * times rate x scale, and so is its norm. */
INLINE void update_vector(Step step, const int clipped, const int proportional, real *w, real *const *state,
                          const real *g, ptrdiff_t i, const Rule *rule, Squares *squares, real *ratios) {
    const vec raw = load(g + i), value = load(w + i);
    vec gradient = raw;
    if (clipped) {
        gradient = rule->scale * shrunk(gradient, rule);
        gradient = at_least(at_most(gradient, all(rule->limit)), all(-rule->limit));
    }
    const vec move = rounded(step(value, gradient, state, i, rule));
    store(w + i, value - move);
    if (ratios) store(ratios + i, keep(move != all(0), -move / value));
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

INLINE Squares joined(const Squares *a, const Squares *b) {
    return (Squares){a->value + b->value, a->gradient + b->gradient, a->small_move + b->small_move,
                     a->large_move + b->large_move};
}

/* The norms of chunk c, whose n elements are at w and g. */
INLINE void settle(const vg_norms *norms, ptrdiff_t c, const Squares *sum, const int proportional, const real *w,
                   const real *g, ptrdiff_t n, const Rule *rule) {
    const double small_move = lane_sum(sum->small_move), large_move = lane_sum(sum->large_move);
    if (IS_ORDINARY(norms->weight[c])) norms->weight[c] = norm_from_squares(lane_sum(sum->value), w, n, 1, n);
    norms->gradient[c] = norm_from_squares(lane_sum(sum->gradient), g, n, 1, n);
    norms->update[c] = proportional            ? rule->rate * (rule->scale * (rule->shrink * norms->gradient[c]))
                       : small_move < INFINITY ? sqrt(small_move) / MOVE_SCALE
                                               : sqrt(large_move) * MOVE_SCALE;
}

INLINE void update_chunks(Step step, const int clipped, const int proportional, real *w, real *const *state,
                          const real *g, ptrdiff_t n, ptrdiff_t chunk, const Rule *rule,
                          const vg_norms *norms, real *ratios) {
    Squares sums[UNSETTLED];
    ptrdiff_t settled = 0;
    for (ptrdiff_t begin = 0, c = 0; begin < n; begin += chunk, c++) {
        const ptrdiff_t end = begin + chunk < n ? begin + chunk : n;
        Squares even = {{0}, {0}, {0}, {0}}, odd = even; /* two chains of additions hide their latency */
        if (norms && !IS_ORDINARY(norms->weight[c])) norms->weight[c] = norm(w + begin, end - begin);
        ptrdiff_t i = begin;
        for (; i + LANES < end; i += 2 * LANES) {
            update_vector(step, clipped, proportional, w, state, g, i, rule, norms ? &even : NULL, ratios);
            update_vector(step, clipped, proportional, w, state, g, i + LANES, rule, norms ? &odd : NULL, ratios);
        }
        if (i < end) update_vector(step, clipped, proportional, w, state, g, i, rule, norms ? &even : NULL, ratios);
        if (!norms) continue;
        sums[c - settled] = joined(&even, &odd);
        if (c + 1 - settled < UNSETTLED && end < n) continue;
        for (ptrdiff_t first = settled; settled <= c; settled++) {
            const ptrdiff_t at = settled * chunk;
            settle(norms, settled, sums + settled - first, proportional, w + at, g + at,
                   n - at < chunk ? n - at : chunk, rule);
        }
    }
}

/* The function of a rule's table entry: `step` over all chunks, with and without norms and ratios. */
#define UPDATE(name, step, clipped, proportional)                                                          \
    static void name(void *w, void *const *states, const void *g, ptrdiff_t n, ptrdiff_t chunk,            \
                     const vg_update *u, const vg_norms *norms) {                                          \
        const Rule rule = rule_of(u);                                                                      \
        real *const state[VG_RULE_STATES] = {states[0], states[1], states[2]};                             \
        if (norms && norms->ratios)                                                                        \
            update_chunks(step, clipped, proportional, w, state, g, n, chunk, &rule, norms, norms->ratios); \
        else if (norms)                                                                                    \
            update_chunks(step, clipped, proportional, w, state, g, n, chunk, &rule, norms, NULL);         \
        else                                                                                               \
            update_chunks(step, clipped, proportional, w, state, g, n, chunk, &rule, NULL, NULL);          \
    }

UPDATE(plain_sgd, plain_step, 0, 1)
UPDATE(decayed_sgd, sgd_step, 1, 0)
UPDATE(momentum, momentum_step, 1, 0)
UPDATE(adagrad, adagrad_step, 1, 0)
UPDATE(adadelta, adadelta_step, 1, 0)
UPDATE(plain_rmsprop, rmsprop_plain_step, 1, 0)
UPDATE(rmsprop_momentum, rmsprop_momentum_step, 1, 0)
UPDATE(adam, adam_step, 1, 0)
UPDATE(adamw, adamw_step, 1, 0)
UPDATE(nadam, nadam_step, 1, 0)
UPDATE(lion, lion_step, 1, 0)
#undef UPDATE

static void sgd(void *w, void *const *states, const void *g, ptrdiff_t n, ptrdiff_t chunk, const vg_update *u,
                const vg_norms *norms) {
    const int limited = u->gradient_limit < INFINITY;
    (states[0]                            ? momentum
     : limited || u->weight_decay != 0 ? decayed_sgd
                                       : plain_sgd)(w, states, g, n, chunk, u, norms);
}

static void rmsprop(void *w, void *const *states, const void *g, ptrdiff_t n, ptrdiff_t chunk,
                    const vg_update *u, const vg_norms *norms) {
    (u->beta1 != 0 ? rmsprop_momentum : plain_rmsprop)(w, states, g, n, chunk, u, norms);
}

/* Reads and writes what Adam does and computes next to nothing: what memory alone would take. */
static void stream(void *w_, void *const *states, const void *g_, ptrdiff_t n) {
    real *w = w_, *m = states[0], *v = states[1];
    const real *g = g_;
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const vec x = load(g + i);
        store(w + i, load(w + i) + x);
        store(m + i, load(m + i) + x);
        store(v + i, load(v + i) + x);
    }
}
