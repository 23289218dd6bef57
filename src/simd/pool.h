/* Pooling over tables of neighbours, and other ways to lay out samples. */

INLINE real *element(vg_matrix m, ptrdiff_t row, ptrdiff_t col) { return (real *)m.data + row * m.ld + col; }

/* For each vector of columns j in row r of each place p; n counts the columns from j on. */
#define FOR_PLACES(p, r, j, n, pairs, all_cols, rows)                  \
    for (ptrdiff_t p = 0; p < (pairs)->count; p++)                     \
        for (ptrdiff_t r = (rows)->begin; r < (rows)->end; r++)        \
            for (ptrdiff_t j = 0, n = (all_cols); n > 0; j += LANES, n -= LANES)

static void max_pool(vg_matrix y, vg_matrix x, const vg_pairs *pairs, const vg_rows *rows) {
    FOR_PLACES(p, r, j, n, pairs, y.cols, rows) {
        vec top = all(-INFINITY);
        for (int32_t i = pairs->first[p]; i < pairs->first[p + 1]; i++) {
            const vec v = load_first(element(x, pairs->left[i] * rows->stride + r, j), n);
            top = choose((v > top) | (v != v), v, top);
        }
        store_first(element(y, p * rows->stride + r, j), top, n);
    }
}

static void max_pool_backward(vg_matrix dx, vg_matrix dy, vg_matrix y, vg_matrix x, const vg_pairs *pairs,
                              const vg_rows *rows) {
    FOR_PLACES(p, r, j, n, pairs, y.cols, rows) {
        const vec top = load_first(element(y, p * rows->stride + r, j), n);
        const vec given = load_first(element(dy, p * rows->stride + r, j), n);
        mask wanted = ~(mask){0};
        for (int32_t i = pairs->first[p]; i < pairs->first[p + 1]; i++) {
            const ptrdiff_t row = pairs->left[i] * rows->stride + r;
            const vec v = load_first(element(x, row, j), n);
            const mask found = wanted & ((v == top) | (v != v));
            real *to = element(dx, row, j);
            store_first(to, load_first(to, n) + keep(found, given), n);
            wanted &= ~found;
        }
    }
}

static void average_pool(vg_matrix y, vg_matrix x, const vg_pairs *pairs, const void *factor_, int add,
                         const vg_rows *rows) {
    const real *factor = factor_;
    FOR_PLACES(p, r, j, n, pairs, y.cols, rows) {
        real *to = element(y, p * rows->stride + r, j);
        vec sum = add ? load_first(to, n) : all(0);
        for (int32_t i = pairs->first[p]; i < pairs->first[p + 1]; i++)
            sum += factor[pairs->right[i]] *
                   load_first(element(x, pairs->left[i] * rows->stride + r, j), n);
        store_first(to, sum, n);
    }
}

/* Elements of a sample that lie evenly: `count` of them, `step` apart. */
typedef struct {
    ptrdiff_t at, step, count;
} Run;

#define RUN_LENGTH 16 /* short enough for its lines to stay in the cache from one sample to the next */

/* From element e of the first sample on. */
INLINE Run run_of(const vg_layout *l, ptrdiff_t e, ptrdiff_t stride) {
    const ptrdiff_t along = l->by_channel ? l->places : l->matrix.cols;
    const ptrdiff_t place = l->by_channel ? e % along : e / along, channel = l->by_channel ? e / along : e % along;
    const ptrdiff_t left = along - e % along;
    return (Run){
        .at = place * stride * l->matrix.ld + channel,
        .step = l->by_channel ? stride * l->matrix.ld : 1,
        .count = left < RUN_LENGTH ? left : RUN_LENGTH,
    };
}

INLINE real *sample_of(const vg_layout *l, ptrdiff_t r) {
    return element(l->matrix, l->order ? l->order[r] : r, 0);
}

static void relayout(const vg_layout *y, const vg_layout *x, int add, const vg_rows *rows) {
    for (ptrdiff_t e = 0, n; e < y->places * y->matrix.cols; e += n) {
        const Run to = run_of(y, e, rows->stride), from = run_of(x, e, rows->stride);
        n = to.count < from.count ? to.count : from.count;
        for (ptrdiff_t r = rows->begin; r < rows->end; r++) {
            real *out = sample_of(y, r) + to.at;
            const real *in = sample_of(x, r) + from.at;
            if (add)
                for (ptrdiff_t i = 0; i < n; i++) out[i * to.step] += in[i * from.step];
            else
                for (ptrdiff_t i = 0; i < n; i++) out[i * to.step] = in[i * from.step];
        }
    }
}
