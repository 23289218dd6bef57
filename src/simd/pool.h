/* Pooling over tables of neighbours. */

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
                              int add, const vg_rows *rows) {
    if (!add)
        FOR_ROWS(r, rows) memset(element(dx, r, 0), 0, dx.cols * sizeof(real));
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
    const ptrdiff_t cols = x.cols < y.cols ? x.cols : y.cols;
    FOR_PLACES(p, r, j, n, pairs, cols, rows) {
        real *to = element(y, p * rows->stride + r, j);
        vec sum = add ? load_first(to, n) : all(0);
        for (int32_t i = pairs->first[p]; i < pairs->first[p + 1]; i++)
            sum += factor[pairs->right[i]] *
                   load_first(element(x, pairs->left[i] * rows->stride + r, j), n);
        store_first(to, sum, n);
    }
    if (!add && cols < y.cols)
        for (ptrdiff_t p = 0; p < pairs->count; p++)
            for (ptrdiff_t r = rows->begin; r < rows->end; r++)
                memset(element(y, p * rows->stride + r, cols), 0, (y.cols - cols) * sizeof(real));
}

/* How many of its places row r reaches. */
INLINE ptrdiff_t reach(const vg_rows *rows, ptrdiff_t r) {
    ptrdiff_t places = rows->times;
    while (rows->ends && places > 0 && r >= rows->ends[places - 1]) places--;
    return places;
}

static void pool_places(vg_matrix y, vg_matrix x, int largest, const vg_rows *rows) {
    for (ptrdiff_t r = rows->begin; r < rows->end; r++) {
        const ptrdiff_t places = reach(rows, r);
        const real share = (real)(1 / (double)places);
        FOR_COLUMNS(y.cols, {
            vec pooled = all(largest ? -INFINITY : 0);
            for (ptrdiff_t p = 0; p < places; p++) {
                const vec v = AT(element(x, p * rows->stride + r, 0));
                pooled = largest ? choose((v > pooled) | (v != v), v, pooled) : pooled + v;
            }
            PUT(element(y, r, 0), largest ? pooled : share * pooled);
        });
    }
}

static void pool_places_backward(vg_matrix dx, vg_matrix dy, vg_matrix y, vg_matrix x, int largest, int add,
                                 const vg_rows *rows) {
    for (ptrdiff_t r = rows->begin; r < rows->end; r++) {
        const ptrdiff_t places = reach(rows, r);
        const real share = (real)(1 / (double)places);
        FOR_COLUMNS(y.cols, {
            const vec top = AT(element(y, r, 0)), given = AT(element(dy, r, 0));
            mask wanted = ~(mask){0};
            for (ptrdiff_t p = 0; p < places; p++) {
                vec part = share * given;
                if (largest) {
                    const vec v = AT(element(x, p * rows->stride + r, 0));
                    const mask found = wanted & ((v == top) | (v != v));
                    part = keep(found, given);
                    wanted &= ~found;
                }
                real *to = element(dx, p * rows->stride + r, 0);
                PUT(to, add ? AT(to) + part : part);
            }
        });
    }
}
