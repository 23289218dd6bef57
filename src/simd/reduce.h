/* Sums and norms. Norms are double, and neither overflow nor underflow.
 *
 * A sum of squares is taken in the data's own precision over short runs of vector lanes, then in double.
 * Where it leaves the range in which no term can have been lost to under- or overflow, the run is
 * summed again in double, scaled by its largest element.
 */
typedef double dvec __attribute__((vector_size(VEC_BYTES)));
typedef double pair __attribute__((vector_size(16)));

#if REAL_BITS == 32
#define SQUARES_ARE_SAFE(sum) ((sum) > 1e-27 && (sum) < 1e38)
#else
#define SQUARES_ARE_SAFE(sum) ((sum) > 1e-280 && (sum) < 1e300)
#endif

/* The lanes in double; two lanes of float32 share one. */
INLINE dvec widened(vec v) {
#if REAL_BITS == 32
    typedef real half __attribute__((vector_size(VEC_BYTES / 2)));
    half low, high;
    memcpy(&low, &v, sizeof low);
    memcpy(&high, (const char *)&v + sizeof low, sizeof high);
    return __builtin_convertvector(low, dvec) + __builtin_convertvector(high, dvec);
#else
    return v;
#endif
}

/* The sum of the lanes, by halves. */
INLINE double sum_of(dvec d) {
    pair sum;
#if VEC_BYTES == 64
    pair quarter[4];
    memcpy(quarter, &d, sizeof quarter);
    sum = (quarter[0] + quarter[1]) + (quarter[2] + quarter[3]);
#elif VEC_BYTES == 32
    pair quarter[2];
    memcpy(quarter, &d, sizeof quarter);
    sum = quarter[0] + quarter[1];
#else
    sum = d;
#endif
    return sum[0] + sum[1];
}

INLINE double lane_sum(vec v) { return sum_of(widened(v)); }

/* The L2 norm of x - mean over rows x n elements, in double and scaled: for what is too small or large to be
 * squared. */
static double deviation_of_rows(const real *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t n, double mean) {
    double top = 0;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < n; j++) {
            const double size = fabs(x[r * ld + j] - mean);
            if (!(size <= top)) top = size; /* lets NaN in */
        }
    if (!(top > 0 && top < INFINITY)) return top;
    double sum = 0;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < n; j++) {
            const double scaled = (x[r * ld + j] - mean) / top;
            sum += scaled * scaled;
        }
    return top * sqrt(sum);
}

/* The norm of x, whose squares summed to `sum`. */
INLINE double norm_from_squares(double sum, const real *x, ptrdiff_t n) {
    return SQUARES_ARE_SAFE(sum) ? sqrt(sum) : deviation_of_rows(x, n, 1, n, 0);
}

/* n is a whole number of vectors. Summed in the order of update_chunks, to the same bits. */
static double norm(const real *x, ptrdiff_t n) {
    vec even = all(0), odd = all(0);
    ptrdiff_t i = 0;
    for (; i + LANES < n; i += 2 * LANES) {
        const vec u = load(x + i), v = load(x + i + LANES);
        even += u * u;
        odd += v * v;
    }
    if (i < n) {
        const vec u = load(x + i);
        even += u * u;
    }
    return norm_from_squares(lane_sum(even + odd), x, n);
}

static void chunk_norms(double *out, const void *x_, ptrdiff_t n, ptrdiff_t chunk) {
    const real *x = x_;
    for (ptrdiff_t begin = 0; begin < n; begin += chunk)
        *out++ = norm(x + begin, n - begin < chunk ? n - begin : chunk);
}

static void column_sums(void *db, vg_matrix dy, ptrdiff_t rows, ptrdiff_t col0, ptrdiff_t col1) {
    for (ptrdiff_t j = col0; j < col1; j += LANES) {
        const real *x = (const real *)dy.data + j;
        vec sum = all(0);
        for (ptrdiff_t r = 0; r < rows; r++) sum += load(x + r * dy.ld);
        store((real *)db + j, keep(first(col1 - j), sum));
    }
}

/* NaN if any is NaN. */
static real largest_of(const real *x, ptrdiff_t n) {
    real top = x[0];
    for (ptrdiff_t j = 1; j < n; j++)
        if (!(x[j] <= top)) top = x[j];
    return top;
}

static void gather(vg_matrix y, vg_matrix x, const int64_t *order, ptrdiff_t row0, ptrdiff_t row1) {
    for (ptrdiff_t r = row0; r < row1; r++)
        memcpy((real *)y.data + r * y.ld, (const real *)x.data + (order ? order[r] : r) * x.ld,
               x.cols * sizeof(real));
}

static void prefetch(vg_matrix x, ptrdiff_t row) {
    const char *begin = (const char *)((const real *)x.data + row * x.ld);
    for (size_t byte = 0; byte < x.cols * sizeof(real); byte += 64) __builtin_prefetch(begin + byte);
}

static int all_finite(const void *x_, ptrdiff_t n) {
    const real *x = x_;
    vec sum = all(0);
    for (ptrdiff_t i = 0; i < n; i += LANES)
        sum += 0 * (n - i < LANES ? load_first(x + i, n - i) : load(x + i)); /* 0 * inf is NaN */
    return lane_sum(sum) == 0;
}
