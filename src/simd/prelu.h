/* ReLU with a learned slope below 0 (He et al. 2015): h = max(x, 0) + a min(x, 0). */

INLINE vec slope_at(const real *a, int shared, ptrdiff_t j, ptrdiff_t lanes) { return shared ? all(*a) : AT(a); }

static void prelu(vg_matrix h, vg_matrix x, const void *a, int shared, const vg_rows *rows) {
    FOR_ROWS(r, rows) {
        real *out = ROW(h);
        const real *in = ROW(x);
        FOR_COLUMNS(h.cols, {
            const vec v = AT(in);
            PUT(out, choose(v < all(0), slope_at(a, shared, j, lanes) * v, v));
        });
    }
}

static void prelu_backward(vg_matrix sums, vg_matrix delta, vg_matrix x, const void *a, int shared, int accumulating,
                           const vg_rows *rows) {
    if (!accumulating) clear_chunks(sums, rows);
    FOR_PLACES_BACK(c, begin, count, rows) {
        real *d = (real *)delta.data + begin * delta.ld;
        const real *in = (const real *)x.data + begin * x.ld;
        double *sum = CHUNK_OF(sums, c), total = 0;
        FOR_COLUMNS(x.cols, {
            const vec slope = slope_at(a, shared, j, lanes);
            vec part = all(0);
            for (ptrdiff_t r = 0; r < count; r++) {
                const vec v = AT(in + r * x.ld), error = AT(d + r * delta.ld);
                const mask above = v > all(0);
                part += keep(~above, error * v);
                PUT(d + r * delta.ld, choose(above, error, slope * error));
            }
            if (shared)
                total += lane_sum(part);
            else
                add_widened(sum + j, part);
        });
        if (shared) *sum += total;
    }
}
