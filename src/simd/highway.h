/* The mixture of a highway layer: its candidate g and its gate t lie side by side, in two blocks of columns. */

static void highway_output(vg_matrix h, vg_matrix gates, vg_matrix x, const vg_rows *rows) {
    const ptrdiff_t n = h.cols;
    FOR_ROWS(r, rows) {
        real *out = ROW(h);
        const real *gate = ROW(gates), *in = ROW(x);
        FOR_COLUMNS(n, PUT(out, AT(in) + GATE(1) * (GATE(0) - AT(in))););
    }
}

static void highway_backward(vg_matrix delta, vg_matrix dh, vg_matrix gates, vg_matrix x, const vg_rows *rows) {
    const ptrdiff_t n = dh.cols;
    FOR_ROWS(r, rows) {
        real *d = ROW(dh), *of_candidate = ROW(delta), *of_gate = of_candidate + n;
        const real *gate = ROW(gates), *in = ROW(x);
        FOR_COLUMNS(n, {
            const vec error = AT(d), t = GATE(1);
            PUT(of_candidate, error * t);
            PUT(of_gate, error * (GATE(0) - AT(in)));
            PUT(d, error * (1 - t));
        });
    }
}
