/* Activations of matrices and their derivatives, with the taps of the gradient-flow tracker. Nothing behind the
 * last column is written: a matrix may be a block of columns of a wider one.
 */
/* The last vector of a row ends with it and may overlap the one before, so it is computed first. */
INLINE void value_rows(Value value, vg_matrix h, vg_matrix z, double alpha, const vg_rows *rows) {
    const ptrdiff_t n = h.cols, tail = n - LANES;
    FOR_ROWS(r, rows) {
        real *out = (real *)h.data + r * h.ld;
        const real *in = (const real *)z.data + r * z.ld;
        if (tail < 0) {
            store_first(out, value(load_first(in, n), all((real)alpha)), n);
            continue;
        }
        const vec last = value(load(in + tail), all((real)alpha));
        for (ptrdiff_t j = 0; j < tail; j += LANES) store(out + j, value(load(in + j), all((real)alpha)));
        store(out + tail, last);
    }
}

/* h = e^(z - max z) / sum of the same, over each row. */
static void softmax_row(real *h, const real *z, ptrdiff_t n) {
    const real top = largest_of(z, n);
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec e = vexp(load_first(z + j, n - j) - top);
        store_first(h + j, e, n - j);
        sum += lane_sum(keep(first(n - j), e));
    }
    for (ptrdiff_t j = 0; j < n; j += LANES)
        store_first(h + j, load_first(h + j, n - j) * (real)(1 / sum), n - j);
}

/* Calls DO(name, steepest slope) for the activation f that works element by element. */
#define FOR_ACTIVATION(f, DO)                                                                   \
    switch ((f)->kind) {                                                                        \
    case VG_IDENTITY: DO(identity, 1) break;                                                    \
    case VG_SIGMOID: DO(sigmoid, 0.25) break;                                                   \
    case VG_TANH: DO(tanh, 1) break;                                                            \
    case VG_RELU: DO(relu, 1) break;                                                            \
    case VG_LEAKY_RELU: DO(leaky_relu, no_less((f)->alpha, 1)) break;                           \
    case VG_ELU: DO(elu, no_less((f)->alpha, 1)) break;                                         \
    case VG_SELU: DO(selu, SELU_SCALE *SELU_ALPHA) break;                                       \
    case VG_GELU: DO(gelu, 1.1289) break;                                                       \
    case VG_SILU: DO(silu, 1.0998) break;                                                       \
    case VG_SOFTPLUS: DO(softplus, 1) break;                                                    \
    case VG_SOFTSIGN: DO(softsign, 1) break;                                                    \
    case VG_HARD_SIGMOID: DO(hard_sigmoid, (f)->alpha) break;                                   \
    case VG_MISH: DO(mish, 1.0884) break;                                                       \
    case VG_HARD_SWISH: DO(hard_swish, 1.5) break;                                              \
    case VG_GELU_TANH: DO(gelu_tanh, 1.1289) break;                                             \
    case VG_RELU6: DO(relu6, 1) break;                                                          \
    case VG_CELU: DO(celu, 1) break;                                                            \
    case VG_SNAKE: DO(snake, 2) break;                                                          \
    case VG_SOFTMAX:                                                                            \
    case VG_SOFTMIN:                                                                            \
    case VG_FORMULA: break; /* they are more than two functions */                              \
    }

static void activation(vg_matrix h, vg_matrix z, const vg_function *f, const vg_rows *rows) {
    if (f->kind == VG_SOFTMAX)
        FOR_ROWS(r, rows) softmax_row(element(h, r, 0), element(z, r, 0), h.cols);
    if (f->kind == VG_SOFTMIN)
        FOR_ROWS(r, rows) {
            for (ptrdiff_t j = 0; j < h.cols; j++) *element(h, r, j) = -*element(z, r, j);
            softmax_row(element(h, r, 0), element(h, r, 0), h.cols);
        }
    if (f->kind == VG_FORMULA) formula_values(h, z, f->program, rows);
#define DO(name, steepest) value_rows(name##_value, h, z, f->alpha, rows);
    FOR_ACTIVATION(f, DO)
#undef DO
}

/* delta_j = sign h_j (delta_j - sum over k of delta_k h_k) */
static void softmax_backward(real *delta, const real *h, ptrdiff_t n, real sign) {
    double mean = 0; /* the difference from it cancels */
    for (ptrdiff_t j = 0; j < n; j++) mean += (double)delta[j] * h[j];
    for (ptrdiff_t j = 0; j < n; j++) delta[j] = (real)(sign * h[j] * (delta[j] - mean));
}

/* d = slope, or d *= slope where `multiplying` */
INLINE void slope_rows(Slope slope, const int multiplying, vg_matrix delta, vg_matrix h, vg_matrix z,
                       double alpha, const vg_rows *rows) {
    const ptrdiff_t n = delta.cols, tail = n - LANES;
    const vec factor = all((real)alpha);
    FOR_ROWS(r, rows) {
        real *d = (real *)delta.data + r * delta.ld;
        const real *hr = (const real *)h.data + r * h.ld, *zr = (const real *)z.data + r * z.ld;
        if (tail < 0) {
            const vec s = slope(load_first(zr, n), load_first(hr, n), factor);
            store_first(d, multiplying ? load_first(d, n) * s : s, n);
            continue;
        }
        vec last = slope(load(zr + tail), load(hr + tail), factor);
        if (multiplying) last *= load(d + tail);
        for (ptrdiff_t j = 0; j < tail; j += LANES) {
            const vec s = slope(load(zr + j), load(hr + j), factor);
            store(d + j, multiplying ? load(d + j) * s : s);
        }
        store(d + tail, last);
    }
}

static void sigmoid_backward(vg_matrix delta, vg_matrix z, const vg_rows *rows) {
    slope_rows(held_sigmoid_slope, 1, delta, z, z, 0, rows);
}

/* What the tapped loop sums in vectors, over short runs. */
typedef struct {
    vec h, h_square, delta_square;
    mask flat, bits; /* minus how many slopes are flat, and the bits of all */
} RunSums;

typedef struct {
    dvec h, h_square, delta_square;
} ChunkSums;

INLINE void add_run(ChunkSums *chunk, const RunSums *run) {
    chunk->h += widened(run->h);
    chunk->h_square += widened(run->h_square);
    chunk->delta_square += widened(run->delta_square);
}

/* One vector of a row: its first n lanes count, all of them if n >= LANES. */
INLINE void tap_vector(RunSums *run, Slope slope, real *d, const real *h, const real *z, vec alpha, vec threshold,
                       vec origin, int done, const ptrdiff_t n) {
    const mask inside = n >= LANES ? ~(mask){0} : first(n);
    const vec hr = load_first(h, n), s = slope(load_first(z, n), hr, alpha), size = magnitude(s);
    const vec dr = done ? load_first(d, n) : load_first(d, n) * s;
    const vec seen = keep(inside, hr - origin), error = keep(inside, dr);
    if (!done) store_first(d, dr, n);
    run->h += seen;
    run->h_square += seen * seen;
    run->delta_square += error * error;
    run->flat += (size < threshold) & inside;
    run->bits |= (mask)size;
}

/* One vector of columns, down the rows of a chunk. */
INLINE void tap_column(RunSums *run, real *slopes, Slope slope, real *d, ptrdiff_t ldd, const real *h,
                       ptrdiff_t ldh, const real *z, ptrdiff_t ldz, ptrdiff_t rows, vec alpha,
                       vec threshold, vec origin, int done, const ptrdiff_t n) {
    RunSums even = *run, odd = {{0}, {0}, {0}, {0}, {0}}; /* two chains of additions hide their latency */
    ptrdiff_t r = 0;
    even.bits = (mask)load(slopes);
#pragma GCC unroll 1
    for (; r + 1 < rows; r += 2) {
        tap_vector(&even, slope, d, h, z, alpha, threshold, origin, done, n);
        tap_vector(&odd, slope, d + ldd, h + ldh, z + ldz, alpha, threshold, origin, done, n);
        d += 2 * ldd;
        h += 2 * ldh;
        z += 2 * ldz;
    }
    if (r < rows) tap_vector(&even, slope, d, h, z, alpha, threshold, origin, done, n);
    run->h = even.h + odd.h;
    run->h_square = even.h_square + odd.h_square;
    run->delta_square = even.delta_square + odd.delta_square;
    run->flat = even.flat + odd.flat;
    store(slopes, (vec)(even.bits | odd.bits));
}

/* Whether any output or slope is NaN; needed where the sum of the outputs is not finite. */
INLINE int any_unknown(Slope slope, const real *h, ptrdiff_t ldh, const real *z, ptrdiff_t ldz, ptrdiff_t rows,
                       ptrdiff_t n, vec alpha) {
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < n; j += LANES) {
            const vec hr = load_first(h + r * ldh + j, n - j);
            const vec s = slope(load_first(z + r * ldz + j, n - j), hr, alpha);
            const mask unknown = ((hr != hr) | (s != s)) & first(n - j);
            if (lane_sum(keep(unknown, all(1))) > 0) return 1;
        }
    return 0;
}

/* slope_rows where the tracker listens; of a formula, whose slopes its machine makes. */
INLINE void slope_rows_tapped(Slope slope, Machine *machine, vg_matrix delta, vg_matrix h, vg_matrix z,
                              double alpha, double steepest, int done, const vg_taps *taps,
                              const vg_rows *all_rows) {
    const vec threshold = all((real)(0.05 * steepest)), factor = all((real)alpha);
    const ptrdiff_t n = delta.cols;
    FOR_CHUNKS(c, begin, rows, all_rows) {
        real *d = (real *)delta.data + begin * delta.ld;
        const real *hb = (const real *)h.data + begin * h.ld, *zb = (const real *)z.data + begin * z.ld;
        const real origin = hb[0]; /* deviations from it lose no digits */
        ChunkSums chunk = {{0}, {0}, {0}};
        mask flat = {0};
        int unknown = 0;
        for (ptrdiff_t k = 0; k < n; k += RUN_COLUMNS * LANES) {
            const ptrdiff_t width = n - k < RUN_COLUMNS * LANES ? n - k : RUN_COLUMNS * LANES;
            const real *zk = zb + k;
            RunSums run = {{0}, {0}, {0}, flat, {0}};
            ptrdiff_t ldz = z.ld;
            if (machine) {
                zk = slopes_of_z(machine, zk, z.ld, rows, width);
                ldz = whole_vectors(width);
                unknown |= any_unknown(slope, hb + k, h.ld, zk, ldz, rows, width, factor);
            }
            for (ptrdiff_t j = 0; j < width; j += LANES) {
                real *slopes = (real *)taps->slopes + k + j, *dj = d + k + j;
                const real *hj = hb + k + j, *zj = zk + j;
                if (width - j >= LANES)
                    tap_column(&run, slopes, slope, dj, delta.ld, hj, h.ld, zj, ldz, rows, factor, threshold,
                               all(origin), done, LANES);
                else
                    tap_column(&run, slopes, slope, dj, delta.ld, hj, h.ld, zj, ldz, rows, factor, threshold,
                               all(origin), done, width - j);
                if (taps->units)
                    count_slopes(taps->units, slope, hj, h.ld, zj, ldz, rows, factor, threshold, k + j, width - j);
            }
            add_run(&chunk, &run);
            flat = run.flat;
        }
        const pair seen = sums_of(chunk.h, chunk.h_square);
        const pair told = sums_of(chunk.delta_square, widened(-__builtin_convertvector(flat, vec)));
        moments_of_sums(taps->mean + c, taps->deviation + c, seen[0], seen[1], origin, hb, h.ld, rows, n);
        taps->saturated[c] = told[1];
        if (!machine && !isfinite(seen[0])) unknown = any_unknown(slope, hb, h.ld, zb, z.ld, rows, n, factor);
        if (unknown || isnan(steepest)) taps->saturated[c] = NAN;
        taps->delta_norm[c] = norm_from_squares(told[0], d, delta.ld, rows, n);
    }
}

/* Slopes that are there already: a formula's machine has made them, or they are a gate's. */
INLINE vec made_slope(vec made, vec h, vec alpha) { (void)h, (void)alpha; return made; }

static __attribute__((noinline)) void formula_slopes_tapped(vg_matrix delta, vg_matrix h, vg_matrix z,
                                                            const vg_function *f, int done, const vg_taps *taps,
                                                            const vg_rows *rows) {
    Machine machine;
    set_up_machine(&machine, f->program);
    derive_by(&machine, 0);
    slope_rows_tapped(made_slope, &machine, delta, h, z, 0, f->steepest, done, taps, rows);
}

static void activation_backward(vg_matrix delta, vg_matrix h, vg_matrix z, const vg_function *f,
                                int done, const vg_taps *taps, const vg_rows *rows) {
    if (f->kind == VG_SOFTMAX || f->kind == VG_SOFTMIN) {
        const real sign = f->kind == VG_SOFTMAX ? 1 : -1;
        if (!done)
            FOR_ROWS(r, rows) softmax_backward(element(delta, r, 0), element(h, r, 0), h.cols, sign);
        if (taps) /* saturation and the slope of one unit are the sigmoid's, h (1 - h) */
            slope_rows_tapped(sigmoid_slope, NULL, delta, h, z, 0, 0.25, 1, taps, rows);
    } else if (taps && f->kind == VG_FORMULA) {
        formula_slopes_tapped(delta, h, z, f, done, taps, rows);
    } else if (taps) {
#define DO(name, steepest) \
    slope_rows_tapped(name##_slope, NULL, delta, h, z, f->alpha, steepest, done, taps, rows);
        FOR_ACTIVATION(f, DO)
#undef DO
    } else if (!done && f->kind == VG_FORMULA) {
        formula_slopes(1, delta, z, f->program, rows);
    } else if (!done && f->kind != VG_IDENTITY) {
#define DO(name, steepest) slope_rows(name##_slope, 1, delta, h, z, f->alpha, rows);
        FOR_ACTIVATION(f, DO)
#undef DO
    }
    if (taps && taps->delta_bins) count_rows(taps->delta_bins, delta, rows);
    if (taps && taps->output_bins) count_rows(taps->output_bins, h, rows);
    if (taps && taps->units) unit_squares(taps->units->squares, delta, rows);
}

/* Down one vector of slopes: how many of each lane's first n are flat, NaN if an output is, and the bits of all. */
INLINE vec tap_slope_column(real *slopes, const real *s, ptrdiff_t lds, const real *h, ptrdiff_t ldh,
                            ptrdiff_t rows, vec threshold, const ptrdiff_t n) {
    mask bits = {0}, flat = {0}, unknown = {0};
    for (ptrdiff_t r = 0; r < rows; r++) {
        const vec slope = load_first(s + r * lds, n), hr = load_first(h + r * ldh, n), size = magnitude(slope);
        flat += size < threshold; /* -1 where it is */
        bits |= (mask)size;
        unknown |= unordered(hr, slope);
    }
    store(slopes, (vec)((mask)load(slopes) | bits));
    const vec count = choose(unknown, all(NAN), -__builtin_convertvector(flat, vec));
    return n >= LANES ? count : keep(first(n), count);
}

/* How many of each chunk's slopes are flat, and the bits of all. */
static void tap_slopes(vg_matrix s, vg_matrix h, double steepest, const vg_taps *taps, const vg_rows *all_rows) {
    const vec threshold = all((real)(0.05 * steepest));
    FOR_CHUNKS(c, begin, rows, all_rows) {
        vec flat = all(0);
        const real *at = (const real *)s.data + begin * s.ld, *hb = (const real *)h.data + begin * h.ld;
        ptrdiff_t j = 0;
        for (; j + LANES <= s.cols; j += LANES)
            flat += tap_slope_column((real *)taps->slopes + j, at + j, s.ld, hb + j, h.ld, rows, threshold, LANES);
        if (j < s.cols)
            flat += tap_slope_column((real *)taps->slopes + j, at + j, s.ld, hb + j, h.ld, rows, threshold,
                                     s.cols - j);
        taps->saturated[c] = isnan(steepest) ? NAN : lane_sum(flat);
        for (j = 0; taps->units && j < s.cols; j += LANES)
            count_slopes(taps->units, made_slope, hb + j, h.ld, at + j, s.ld, rows, all(0), threshold, j, s.cols - j);
    }
}

static void slope(vg_matrix s, vg_matrix h, vg_matrix z, const vg_function *f, const vg_taps *taps,
                  const vg_rows *rows) {
#define DO(name, steepest)                                \
    slope_rows(name##_slope, 0, s, h, z, f->alpha, rows); \
    if (taps) tap_slopes(s, h, steepest, taps, rows);
    FOR_ACTIVATION(f, DO)
#undef DO
    if (f->kind == VG_FORMULA) {
        formula_slopes(0, s, z, f->program, rows);
        if (taps) tap_slopes(s, h, f->steepest, taps, rows);
    }
}

static ptrdiff_t dead_units(const void *slopes, ptrdiff_t stride, int threads, ptrdiff_t n) {
    vec dead = all(0);
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        mask bits = {0};
        for (int t = 0; t < threads; t++)
            bits |= (mask)load((const real *)((const char *)slopes + t * stride) + j);
        dead += keep((bits == 0) & first(n - j), all(1));
    }
    return (ptrdiff_t)lane_sum(dead);
}
