/* Normalisation of each row by itself, over its places, in groups of columns: group normalisation (Wu and He 2018), and
 * instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016) where each column is a group. One row at all of its
 * places is a matrix whose rows are the places, and is normalised as in norm.h once its statistics are known; those of
 * the columns are joined to those of their group, so that groups of few columns are vectors, too.
 */

/* Row r of m at each place that it reaches. */
INLINE vg_matrix along_places(vg_matrix m, ptrdiff_t r, const vg_rows *rows) {
    return (vg_matrix){.data = m.data ? element(m, r, 0) : NULL, .ld = m.ld * rows->stride, .cols = m.cols};
}

INLINE vg_rows places_of(ptrdiff_t r, const vg_rows *rows) {
    const ptrdiff_t places = reach(rows, r);
    return (vg_rows){.begin = 0, .end = places, .times = 1, .stride = places};
}

/* Sums over the rows of x of their columns' distance from the first row, and of its square. */
static void sum_distances(double *sum, double *square, vg_matrix x, ptrdiff_t places) {
    const real *first_row = x.data;
    FOR_COLUMNS(x.cols, {
        for (ptrdiff_t begin = 0; begin < places; begin += VG_ROW_CHUNK) {
            vec plain = all(0), squared = all(0);
            for (ptrdiff_t p = begin; p < places && p < begin + VG_ROW_CHUNK; p++) {
                const vec apart = AT(first_row + p * x.ld) - AT(first_row);
                plain += apart;
                squared += apart * apart;
            }
            add_widened(sum + j, plain);
            add_widened(square + j, squared);
        }
    });
}

/* The normaliser of the rows of x, whose columns have the mean and variance of their group. */
static void group_normaliser(void *to, double *work, vg_matrix x, ptrdiff_t groups, double epsilon,
                             ptrdiff_t places) {
    double *mean = work, *variance = work + VG_PADDED(x.cols);
    const ptrdiff_t size = x.cols / groups;
    memset(work, 0, 2 * VG_PADDED(x.cols) * sizeof(double));
    sum_distances(mean, variance, x, places);
    for (ptrdiff_t begin = 0; begin < x.cols; begin += size) {
        double centre = 0, deviation = 0;
        for (ptrdiff_t j = begin; j < begin + size; j++) {
            const double apart = mean[j] / (double)places;
            variance[j] -= mean[j] * apart;
            mean[j] = ((const real *)x.data)[j] + apart;
            centre += mean[j];
        }
        centre /= (double)size;
        for (ptrdiff_t j = begin; j < begin + size; j++)
            deviation += variance[j] + (double)places * (mean[j] - centre) * (mean[j] - centre);
        for (ptrdiff_t j = begin; j < begin + size; j++) {
            mean[j] = centre;
            variance[j] = no_less(deviation / (double)(places * size), 0);
        }
    }
    normaliser(to, mean, variance, epsilon, x.cols);
}

static void group_normalise(vg_matrix h, vg_matrix z, vg_matrix x, vg_matrix kept, double *work, const void *weight,
                            const void *bias, double epsilon, ptrdiff_t groups, const vg_function *f,
                            const vg_rows *rows) {
    for (ptrdiff_t r = rows->begin; r < rows->end; r++) {
        const vg_rows places = places_of(r, rows);
        const vg_matrix in = along_places(x, r, rows);
        if (places.end == 0) continue;
        group_normaliser(ROW(kept), work, in, groups, epsilon, places.end);
        normalise(along_places(h, r, rows), along_places(z, r, rows), in, ROW(kept), weight, bias, f, &places);
    }
}

/* Of each column the means, over its group and places, of error and of error v, from the sums of delta and delta v;
 * error = delta weight, v = x standardised. */
static void group_means(real *means, const double *sums, const real *weight, ptrdiff_t groups, ptrdiff_t places,
                        ptrdiff_t n) {
    const ptrdiff_t size = n / groups;
    for (int which = 0; which < 2; which++, sums += VG_PADDED(n), means += VG_PADDED(n))
        for (ptrdiff_t begin = 0; begin < n; begin += size) {
            double total = 0;
            for (ptrdiff_t j = begin; j < begin + size; j++) total += weight ? sums[j] * weight[j] : sums[j];
            for (ptrdiff_t j = begin; j < begin + size; j++) means[j] = (real)(total / (double)(places * size));
        }
}

/* dL/dx of a row at its places: (error - mean of error - v mean of (error v)) / sqrt(variance + epsilon). */
static void group_input(vg_matrix dx, vg_matrix delta, vg_matrix x, const void *from, const void *weight,
                        const real *means, int add, ptrdiff_t places) {
    FOR_COLUMNS(x.cols, {
        const Columns column = columns_at(from, weight, NULL, x.cols, j, lanes);
        const vec mean = AT(means), tilt = AT(means + VG_PADDED(x.cols));
        for (ptrdiff_t p = 0; p < places; p++) {
            const vec v = standardised(AT(element(x, p, 0)), &column);
            const vec error = column.inverse * (AT(element(delta, p, 0)) * column.weight - mean - v * tilt);
            PUT(element(dx, p, 0), add ? AT(element(dx, p, 0)) + error : error);
        }
    });
}

static void group_normalise_backward(vg_matrix sums, vg_matrix dx, vg_matrix delta, vg_matrix h, vg_matrix z,
                                     vg_matrix x, vg_matrix kept, double *work, const void *weight, ptrdiff_t groups,
                                     const vg_function *f, int done, int add, const vg_taps *taps,
                                     const vg_rows *rows) {
    const ptrdiff_t n = x.cols, both = 2 * VG_PADDED(n);
    const vg_matrix row_sums = {.data = work, .ld = 0, .cols = both};
    real *means = (real *)(work + both);
    if (sums.data) clear_chunks(sums, rows);
    FOR_BLOCKS(block, rows, n) slopes_of_block(delta, h, z, f, done, taps, &block);
    for (ptrdiff_t r = rows->begin; r < rows->end; r++) {
        const vg_rows places = places_of(r, rows);
        const vg_matrix error = along_places(delta, r, rows), in = along_places(x, r, rows);
        if (places.end == 0) continue;
        memset(work, 0, both * sizeof(double));
        add_normalised(row_sums, error, in, ROW(kept), NULL, NULL, 0, &places);
        if (sums.data)
            for (ptrdiff_t j = 0; j < both; j++) CHUNK_OF(sums, r / VG_ROW_CHUNK)[j] += work[j];
        if (!dx.data) continue;
        group_means(means, work, weight, groups, places.end, n);
        group_input(along_places(dx, r, rows), error, in, ROW(kept), weight, means, add, places.end);
    }
}
