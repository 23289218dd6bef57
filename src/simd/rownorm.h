/* Normalisation of each row over its columns: layer normalisation (Ba, Kiros and Hinton 2016) and, where rows
 * are not centred, root-mean-square normalisation (Zhang and Sennrich 2019). A row is read again from cache for
 * each of its statistics; backward takes them again from x.
 */

/* x is standardised as (x - centre) inverse + offset. */
typedef struct {
    real centre, inverse, offset;
} RowNormaliser;

#define RUN_VECTORS 8 /* summed in vectors before they are in double */

/* Sum of TERM, an expression of the vector of columns from j on, over n columns; lanes behind them are 0. */
#define SUM_COLUMNS(total, n, TERM)                                                             \
    dvec total##_ = {0};                                                                        \
    {                                                                                           \
        vec run = all(0);                                                                       \
        FOR_COLUMNS(n, {                                                                        \
            const vec term = TERM;                                                              \
            run += lanes == LANES ? term : keep(first(lanes), term);                            \
            if (j / LANES % RUN_VECTORS == RUN_VECTORS - 1) total##_ += widened(run), run = all(0); \
        });                                                                                     \
        total##_ += widened(run);                                                               \
    }                                                                                           \
    const double total = sum_of(total##_)

static RowNormaliser row_normaliser(const real *x, ptrdiff_t n, double epsilon, int centred) {
    real centre = 0;
    double rest = 0; /* the mean is centre + rest, to more digits than a real has */
    if (centred) {
        const real origin = x[0];
        SUM_COLUMNS(sum, n, AT(x) - origin);
        const double mean = (double)origin + sum / (double)n;
        centre = (real)mean;
        rest = mean - centre;
    }
    SUM_COLUMNS(square, n, (AT(x) - centre) * (AT(x) - centre));
    const double inverse = 1 / sqrt(no_less(square / (double)n - rest * rest, 0) + epsilon);
    return (RowNormaliser){centre, (real)inverse, (real)(-rest * inverse)};
}

#define STANDARDISED(x, row) ((AT(x) - (row).centre) * (row).inverse + (row).offset)

static void standardise_rows(vg_matrix z, vg_matrix x, const real *weight, const real *bias, double epsilon,
                             int centred, const vg_rows *rows) {
    FOR_ROWS(r, rows) {
        const real *in = ROW(x);
        real *out = ROW(z);
        const RowNormaliser row = row_normaliser(in, x.cols, epsilon, centred);
        if (weight && bias)
            FOR_COLUMNS(x.cols, PUT(out, STANDARDISED(in, row) * AT(weight) + AT(bias)););
        else if (weight)
            FOR_COLUMNS(x.cols, PUT(out, STANDARDISED(in, row) * AT(weight)););
        else if (bias)
            FOR_COLUMNS(x.cols, PUT(out, STANDARDISED(in, row) + AT(bias)););
        else
            FOR_COLUMNS(x.cols, PUT(out, STANDARDISED(in, row)););
    }
}

static void row_normalise(vg_matrix h, vg_matrix z, vg_matrix x, const void *weight, const void *bias,
                          double epsilon, int centred, const vg_function *f, const vg_rows *rows) {
    FOR_BLOCKS(block, rows, x.cols) {
        standardise_rows(seen(z, &block), seen(x, &block), weight, bias, epsilon, centred, &block.rows);
        if (f->kind != VG_IDENTITY) activation(seen(h, &block), seen(z, &block), f, &block.rows);
    }
}

/* Sums over a chunk's rows: of delta and, behind them, of delta x standardised. */
static void add_row_normalised(double *sum, const real *d, ptrdiff_t ldd, const real *x, ptrdiff_t ldx,
                               const RowNormaliser *row, ptrdiff_t count, ptrdiff_t n) {
    FOR_COLUMNS(n, {
        vec plain = all(0), product = all(0);
        for (ptrdiff_t r = 0; r < count; r++) {
            const vec error = AT(d + r * ldd);
            plain += error;
            product += error * STANDARDISED(x + r * ldx, row[r]);
        }
        add_widened(sum + j, plain);
        add_widened(sum + VG_PADDED(n) + j, product);
    });
}

/* dL/dx of one row: inverse (error - mean of error - v mean of (error v)), error = delta weight, v = x standardised. */
static void row_input(real *dx, const real *d, const real *x, const real *weight, RowNormaliser row, int centred,
                      int add, ptrdiff_t n) {
#define ERROR (weight ? AT(d) * AT(weight) : AT(d))
    SUM_COLUMNS(product, n, ERROR * STANDARDISED(x, row));
    real mean = 0;
    if (centred) {
        SUM_COLUMNS(sum, n, ERROR);
        mean = (real)(sum / (double)n);
    }
    const real tilt = (real)(product / (double)n);
    FOR_COLUMNS(n, {
        const vec error = row.inverse * (ERROR - mean - STANDARDISED(x, row) * tilt);
        PUT(dx, add ? AT(dx) + error : error);
    });
#undef ERROR
}

static void row_normalise_backward(vg_matrix sums, vg_matrix dx, vg_matrix delta, vg_matrix h, vg_matrix z,
                                   vg_matrix x, const void *weight, double epsilon, int centred,
                                   const vg_function *f, int done, int add, int accumulating,
                                   const vg_taps *taps, const vg_rows *rows) {
    const ptrdiff_t n = x.cols;
    if (sums.data && !accumulating) clear_chunks(sums, rows);
    FOR_BLOCKS(block, rows, n) {
        const vg_matrix out = seen(dx, &block), error = seen(delta, &block), in = seen(x, &block);
        slopes_of_block(delta, h, z, f, done, taps, &block);
        FOR_PLACES_BACK(c, begin, count, &block.rows) {
            const real *xb = (const real *)in.data + begin * x.ld;
            real *db = (real *)error.data + begin * delta.ld;
            RowNormaliser row[VG_ROW_CHUNK];
            for (ptrdiff_t r = 0; r < count; r++) row[r] = row_normaliser(xb + r * x.ld, n, epsilon, centred);
            if (sums.data) add_row_normalised(CHUNK_OF(sums, c), db, delta.ld, xb, x.ld, row, count, n);
            if (!dx.data) continue;
            for (ptrdiff_t r = 0; r < count; r++)
                row_input((real *)out.data + (begin + r) * dx.ld, db + r * delta.ld, xb + r * x.ld, weight, row[r],
                          centred, add, n);
        }
    }
}
