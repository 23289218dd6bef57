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
