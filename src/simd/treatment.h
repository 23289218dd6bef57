/* What happens to gradients between backward and the optimizer. Parameters are padded with zeros to whole
 * vectors, which stay zeros.
 */

static void limit(void *g_, ptrdiff_t n, vg_factor factor, double most) {
    real *g = g_;
    const vec top = all((real)most);
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const vec x = (real)factor.scale * ((real)factor.shrink * load(g + i));
        store(g + i, at_least(at_most(x, top), -top));
    }
}

/* The norm of rows x n elements whose squares, in double, summed to `sum`. */
INLINE double norm_of_sum(double sum, const real *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t n) {
    return sum > 1e-280 && sum < 1e300 ? sqrt(sum) : deviation_of_rows(x, ld, rows, n, 0);
}

#define COLUMNS 32      /* that are summed side by side */
#define LEAST_UNIT 1e-3 /* the norm that a unit's weights count as at least, Brock et al.'s epsilon */

static void adaptive_factors(void *factor, vg_matrix w, vg_matrix g, double scale, double clip,
                             ptrdiff_t rows, ptrdiff_t col0, ptrdiff_t col1) {
    for (ptrdiff_t j = col0; j < col1; j += COLUMNS) {
        const ptrdiff_t n = col1 - j < COLUMNS ? col1 - j : COLUMNS;
        const real *weight = (const real *)w.data + j, *gradient = (const real *)g.data + j;
        double weights[COLUMNS] = {0}, gradients[COLUMNS] = {0};
        for (ptrdiff_t r = 0; r < rows; r++)
            for (ptrdiff_t k = 0; k < n; k++) {
                const double a = weight[r * w.ld + k], b = gradient[r * g.ld + k];
                weights[k] += a * a;
                gradients[k] += b * b;
            }
        for (ptrdiff_t k = 0; k < n; k++) {
            const double most = clip * no_less(norm_of_sum(weights[k], weight + k, w.ld, rows, 1), LEAST_UNIT);
            const double norm = norm_of_sum(gradients[k], gradient + k, g.ld, rows, 1);
            const vg_factor f = scale * norm > most ? vg_quotient(most, norm, REAL_MIN) : vg_quotient(scale, 1, REAL_MIN);
            ((real *)factor)[j + k] = (real)f.scale;
            ((real *)factor)[VG_PADDED(g.cols) + j + k] = (real)f.shrink;
        }
    }
}

static void scale_columns(vg_matrix g, const void *factor, ptrdiff_t row0, ptrdiff_t row1) {
    const real *scale = factor, *shrink = scale + VG_PADDED(g.cols);
    for (ptrdiff_t r = row0; r < row1; r++) {
        real *row = ROW(g);
        FOR_COLUMNS(g.cols, PUT(row, AT(row) * AT(shrink) * AT(scale)););
    }
}
#undef COLUMNS
#undef LEAST_UNIT

INLINE double row_norm(const real *x, ptrdiff_t n) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j++) sum += (double)x[j] * x[j];
    return norm_of_sum(sum, x, n, 1, n);
}

static void norm_ratio(vg_matrix back, vg_matrix slopes, vg_matrix delta, double scale, const vg_rows *rows) {
    FOR_ROWS(r, rows) {
        real *earlier = ROW(back), *slope = ROW(slopes);
        const real *later = ROW(delta);
        const ptrdiff_t n = back.cols;
        FOR_COLUMNS(n, PUT(earlier, AT(earlier) * AT(slope)););
        const double norm0 = row_norm(earlier, n), norm1 = row_norm(later, n);
        const int counts = norm0 > 0 && norm0 < INFINITY && norm1 > 0 && norm1 < INFINITY;
        const double share0 = counts ? 1 / norm0 : 0, share1 = counts ? 1 / norm1 : 0;
        const double factor = counts ? 2 * scale * (norm0 * share1 - 1) : 0;
        for (ptrdiff_t j = 0; j < n; j++) {
            earlier[j] = (real)(earlier[j] * share0 * slope[j] * factor);
            slope[j] = (real)(later[j] * share1);
        }
    }
}
