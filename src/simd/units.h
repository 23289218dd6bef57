/* What the tracker hears of each unit. Sums over rows run in double, per chunk of rows over all places, so that no
 * number of threads changes a bit, and from the last place to the first, as sums over windows of time do.
 */

/* Squares are summed of numbers scaled up and scaled down: one of the two neither over- nor underflows. */
#define UNIT_SCALE 0x1p500

INLINE void add_scaled_squares(double *restrict up, double *restrict down, const real *x, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        const double large = (double)x[j] * UNIT_SCALE, small = (double)x[j] / UNIT_SCALE;
        up[j] += large * large;
        down[j] += small * small;
    }
}

static void unit_squares(vg_matrix sums, vg_matrix x, const vg_rows *rows) {
    for (ptrdiff_t t = rows->times - 1; t >= 0; t--)
        for (ptrdiff_t r = rows->begin, end = rows_end(rows, t); r < end; r++) {
            double *sum = (double *)sums.data + r / VG_ROW_CHUNK * sums.ld;
            add_scaled_squares(sum, sum + VG_PADDED(x.cols), element(x, t * rows->stride + r, 0), x.cols);
        }
}

static void column_squares(double *sums, vg_matrix x, ptrdiff_t rows, ptrdiff_t col0, ptrdiff_t col1) {
    for (int scaled = 0; scaled < 2; scaled++) memset(sums + scaled * x.cols + col0, 0, (col1 - col0) * sizeof *sums);
    for (ptrdiff_t r = 0; r < rows; r++)
        add_scaled_squares(sums + col0, sums + x.cols + col0, element(x, r, col0), col1 - col0);
}

static double unit_norm(double up, double down) {
    return up < INFINITY ? sqrt(up) / UNIT_SCALE : sqrt(down) * UNIT_SCALE;
}

/* Down one vector of slopes from column j on: how many of each of n units are flat, are 0, and are not known. */
INLINE void count_slopes(const vg_units *units, Slope slope, const real *h, ptrdiff_t ldh, const real *z,
                         ptrdiff_t ldz, ptrdiff_t rows, vec alpha, vec threshold, ptrdiff_t j, ptrdiff_t n) {
    mask flat = {0}, zero = {0}, unknown = {0};
    for (ptrdiff_t r = 0; r < rows; r++) {
        const vec hr = load_first(h + r * ldh, n), s = slope(load_first(z + r * ldz, n), hr, alpha);
        const vec size = magnitude(s);
        flat -= size < threshold;
        zero -= (mask)size == 0;
        unknown |= unordered(hr, s);
    }
    for (ptrdiff_t i = 0; i < n && i < LANES; i++) {
        units->flat[j + i] += flat[i];
        units->zero[j + i] += zero[i];
        units->unknown[j + i] |= unknown[i] != 0 || isnan(threshold[0]);
    }
}
