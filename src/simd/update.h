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

/* Scales moves whose squares would underflow; with it squares stay above the least normal number. */
#if REAL_BITS == 32
#define SMALL_MOVES 0x1p80f
#else
#define SMALL_MOVES 0x1p500
#endif

/* `clipped`: the gradient is scaled and limited first. `proportional`: a step is the gradient times
 * rate x scale, and so is its norm. */
INLINE void update_chunks(Step step, const int clipped, const int proportional, real *w, real *state1,
                          real *state2, const real *g, ptrdiff_t n, ptrdiff_t chunk, const Rule *rule,
                          const vg_norms *norms) {
    for (ptrdiff_t begin = 0, c = 0; begin < n; begin += chunk, c++) {
        const ptrdiff_t end = begin + chunk < n ? begin + chunk : n;
        if (norms) {
            norms->weight[c] = norm(w + begin, end - begin);
            norms->gradient[c] = norm(g + begin, end - begin);
            norms->update[c] = norms->gradient[c] * fabs((double)rule->rate * rule->scale);
        }
        vec square = all(0), small_square = all(0);
        for (ptrdiff_t i = begin; i < end; i += LANES) {
            vec gi = load(g + i);
            if (clipped) {
                gi *= rule->scale;
                gi = choose(gi > all(rule->limit), all(rule->limit), gi);
                gi = choose(gi < all(-rule->limit), all(-rule->limit), gi);
            }
            const vec wi = load(w + i), move = step(wi, gi, state1 + i, state2 + i, rule);
            store(w + i, wi - move);
            if (norms && !proportional) {
                const vec scaled = move * SMALL_MOVES;
                square += move * move;
                small_square += scaled * scaled;
            }
        }
        if (norms && !proportional) {
            const double sum = lane_sum(square);
            norms->update[c] = SQUARES_ARE_SAFE(sum) ? sqrt(sum) : sqrt(lane_sum(small_square)) / SMALL_MOVES;
        }
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
