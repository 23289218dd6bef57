/* Gram-Schmidt over the rows of a matrix: row r is made orthogonal to those before it, and of length 1.
 *
 * Modified Gram-Schmidt (Golub and Van Loan, algorithm 5.2.6), of a few rows that stay in the first-level cache. What is
 * lost of orthogonality where rows are nearly dependent is what a second call mends ("twice is enough", Giraud et al. 2005).
 */

static double row_product(const real *a, const real *b, ptrdiff_t n) {
    vec sum[SUM_VECTORS] = {{0}};
    ptrdiff_t k = 0;
    for (; k + SUM_VECTORS * LANES <= n; k += SUM_VECTORS * LANES)
        for (ptrdiff_t v = 0; v < SUM_VECTORS; v++) sum[v] += load(a + k + v * LANES) * load(b + k + v * LANES);
    FOR_COLUMNS(n - k, sum[0] += AT(a + k) * AT(b + k););
    return lane_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* Of a row that is no longer than `least` nothing is left. */
static void orthonormalise(double *length, vg_matrix q, double least, const vg_rows *rows) {
    const ptrdiff_t n = q.cols;
    FOR_ROWS(r, rows) {
        real *row = ROW(q);
        for (ptrdiff_t p = rows->begin; p < r; p++) {
            const real *before = (const real *)q.data + p * q.ld;
            const real share = (real)row_product(row, before, n);
            FOR_COLUMNS(n, PUT(row, AT(row) - share * AT(before)););
        }
        const double left = norm_from_squares(row_product(row, row, n), row, n, 1, n);
        const int gone = left <= least; /* not if it is NaN */
        length[r] *= gone ? 0 : left;
        FOR_COLUMNS(n, PUT(row, gone ? all(0) : AT(row) / (real)left););
    }
}
