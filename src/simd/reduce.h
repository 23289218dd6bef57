/* Sums and norms. Norms are double, and neither overflow nor underflow.
 *
 * A sum of squares is taken in the data's own precision over short runs of vector lanes, then in double.
 * Where it leaves the range in which no term can have been lost to under- or overflow, it is taken again of
 * numbers scaled into that range; deviations, in double.
 */
typedef double dvec __attribute__((vector_size(VEC_BYTES)));
typedef double pair __attribute__((vector_size(16)));

#if REAL_BITS == 32
#define SQUARES_ARE_SAFE(sum) ((sum) > 1e-27 && (sum) < 1e38)
#define SCALE_UP 0x1p90f
#define SCALE_DOWN 0x1p-70f
#else
#define SQUARES_ARE_SAFE(sum) ((sum) > 1e-280 && (sum) < 1e300)
#define SCALE_UP 0x1p800
#define SCALE_DOWN 0x1p-600
#endif

/* The lanes in double; two lanes of float32 share one. */
INLINE dvec widened(vec v) {
#if REAL_BITS == 32 && defined(__AVX512F__)
    const __m256 high = (__m256)_mm512_extractf64x4_pd((__m512d)v, 1); /* halves stay in registers */
    return (dvec)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v)) + (dvec)_mm512_cvtps_pd(high);
#elif REAL_BITS == 32 && defined(__AVX2__)
    const __m128 high = _mm256_extractf128_ps((__m256)v, 1);
    return (dvec)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)v)) + (dvec)_mm256_cvtps_pd(high);
#elif REAL_BITS == 32
    typedef real half __attribute__((vector_size(VEC_BYTES / 2)));
    half low, high;
    memcpy(&low, &v, sizeof low);
    memcpy(&high, (const char *)&v + sizeof low, sizeof high);
    return __builtin_convertvector(low, dvec) + __builtin_convertvector(high, dvec);
#else
    return v;
#endif
}

INLINE pair pair_sum(dvec d) {
#if VEC_BYTES == 64
    const __m512d v = (__m512d)d;
    const __m256d half = _mm512_castpd512_pd256(v) + _mm512_extractf64x4_pd(v, 1);
    return (pair)(_mm256_castpd256_pd128(half) + _mm256_extractf128_pd(half, 1));
#elif VEC_BYTES == 32
    const __m256d v = (__m256d)d;
    return (pair)(_mm256_castpd256_pd128(v) + _mm256_extractf128_pd(v, 1));
#else
    return d;
#endif
}

/* The sums of the lanes of two vectors, by halves. */
INLINE pair sums_of(dvec a, dvec b) {
    const pair x = pair_sum(a), y = pair_sum(b);
    return (pair){x[0], y[0]} + (pair){x[1], y[1]};
}

INLINE double sum_of(dvec d) {
    const pair sum = pair_sum(d);
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
            if (isnan(size)) return size;
            if (size > top) top = size;
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

/* For each chunk of at most VG_ROW_CHUNK rows from row `begin` on; c counts them over all timesteps. */
#define FOR_CHUNKS(c, begin, count, all_rows)                                                             \
    for (ptrdiff_t t_ = 0, per_ = ((all_rows)->stride + VG_ROW_CHUNK - 1) / VG_ROW_CHUNK;                 \
         t_ < (all_rows)->times; t_++)                                                                    \
        for (ptrdiff_t c = t_ * per_ + (all_rows)->begin / VG_ROW_CHUNK,                                  \
                       begin = t_ * (all_rows)->stride + (all_rows)->begin,                               \
                       end_ = t_ * (all_rows)->stride + rows_end(all_rows, t_), count;                    \
             count = end_ - begin < VG_ROW_CHUNK ? end_ - begin : VG_ROW_CHUNK, begin < end_;             \
             c++, begin += VG_ROW_CHUNK)

/* Mean and deviation of rows x n numbers whose differences from `origin` summed to `sum`, their squares to
 * `square`. */
INLINE void moments_of_sums(double *mean, double *deviation, double sum, double square, double origin,
                            const real *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t n) {
    const double shift = sum / (double)(rows * n);
    *mean = origin + shift;
    *deviation = SQUARES_ARE_SAFE(square) ? sqrt(no_less(square - sum * shift, 0))
                                          : deviation_of_rows(x, ld, rows, n, *mean);
}

#define RUN_COLUMNS 4 /* vectors of columns in a run of VG_ROW_CHUNK rows each */
#define SUM_VECTORS 4 /* independent sums hide the latency of an addition */

INLINE void add_moments(vec *sum, vec *square, vec v, const int squares_only) {
    if (!squares_only) *sum += v;
    *square += v * v;
}

/* Sums of scale (x - origin) and of its squares. */
INLINE void chunk_sums(double *sum, double *square, const real *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t n,
                       real origin, const real scale, const int squares_only) {
    dvec total = {0}, total_square = {0};
    for (ptrdiff_t k = 0; k < n; k += RUN_COLUMNS * LANES) {
        const ptrdiff_t end = n - k < RUN_COLUMNS * LANES ? n : k + RUN_COLUMNS * LANES;
        vec part[SUM_VECTORS] = {{0}}, part_square[SUM_VECTORS] = {{0}};
        ptrdiff_t j = k;
        for (; j + LANES <= end; j += LANES) {
            ptrdiff_t r = 0;
            for (; r + SUM_VECTORS <= rows; r += SUM_VECTORS)
                for (ptrdiff_t v = 0; v < SUM_VECTORS; v++)
                    add_moments(part + v, part_square + v, scale * (load(x + (r + v) * ld + j) - origin), squares_only);
            for (; r < rows; r++)
                add_moments(part, part_square, scale * (load(x + r * ld + j) - origin), squares_only);
        }
        for (ptrdiff_t r = 0; j < end && r < rows; r++)
            add_moments(part + 1, part_square + 1,
                        keep(first(n - j), scale * (load_first(x + r * ld + j, n - j) - origin)), squares_only);
        total += widened((part[0] + part[1]) + (part[2] + part[3]));
        total_square += widened((part_square[0] + part_square[1]) + (part_square[2] + part_square[3]));
    }
    const pair both = sums_of(total, total_square);
    *sum = both[0];
    *square = both[1];
}

/* The norm of rows x n elements, whose squares summed to `sum`: where that is not safe it is summed again, of
 * multiples whose squares are. A vanished gradient comes this way at every timestep. */
INLINE double norm_from_squares(double sum, const real *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t n) {
    double ignored, square;
    if (SQUARES_ARE_SAFE(sum)) return sqrt(sum);
    if (sum < 1) {
        chunk_sums(&ignored, &square, x, ld, rows, n, 0, SCALE_UP, 1);
        return sqrt(square) / SCALE_UP;
    }
    chunk_sums(&ignored, &square, x, ld, rows, n, 0, SCALE_DOWN, 1);
    return sqrt(square) / SCALE_DOWN;
}

static void row_norms(double *norm, vg_matrix x, const vg_rows *all_rows) {
    FOR_CHUNKS(c, begin, rows, all_rows) {
        const real *at = (const real *)x.data + begin * x.ld;
        double sum, square;
        chunk_sums(&sum, &square, at, x.ld, rows, x.cols, 0, 1, 1);
        norm[c] = norm_from_squares(square, at, x.ld, rows, x.cols);
    }
}

static void moments(double *mean, double *deviation, vg_matrix h, const vg_rows *all_rows) {
    FOR_CHUNKS(c, begin, rows, all_rows) {
        const real *at = (const real *)h.data + begin * h.ld;
        double sum, square;
        chunk_sums(&sum, &square, at, h.ld, rows, h.cols, at[0], 1, 0);
        moments_of_sums(mean + c, deviation + c, sum, square, at[0], at, h.ld, rows, h.cols);
    }
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
    return norm_from_squares(lane_sum(even + odd), x, n, 1, n);
}

static void chunk_norms(double *out, const void *x_, ptrdiff_t n, ptrdiff_t chunk) {
    const real *x = x_;
    for (ptrdiff_t begin = 0; begin < n; begin += chunk)
        *out++ = norm(x + begin, n - begin < chunk ? n - begin : chunk);
}

/* Rows [begin, end) of a span that are in one block of the sum: from the partial sum of one that is `begun` in a later
 * window, to that of one that an earlier window goes on with. */
typedef struct {
    ptrdiff_t begin, end;
    int begun, cut;
    int add; /* to what there is of the sum */
} Piece;

/* The piece in front of row `end`. */
INLINE Piece piece_of(const vg_span *span, ptrdiff_t end) {
    const ptrdiff_t behind = span->before + end, whole = span->before + span->rows + span->behind;
    const ptrdiff_t block = (behind > 0 ? behind - 1 : 0) / VG_DEPTH_BLOCK * VG_DEPTH_BLOCK;
    const ptrdiff_t next = block + VG_DEPTH_BLOCK;
    const int cut = block < span->before;
    return (Piece){
        .begin = cut ? 0 : block - span->before,
        .end = end,
        .begun = end == span->rows && behind < next && behind < whole,
        .cut = cut,
        .add = !cut && (span->add || next < whole),
    };
}

/* For each piece of a span, from its last row to its first. */
#define FOR_PIECES(piece, span)                                                                     \
    for (Piece piece = piece_of(span, (span)->rows);; piece = piece_of(span, (piece).begin))

static void column_products(void *db, vg_matrix x, vg_matrix dy, const vg_span *span, ptrdiff_t col0,
                            ptrdiff_t col1) {
    const ptrdiff_t partial = span->partial / (ptrdiff_t)sizeof(real);
    for (ptrdiff_t j = col0; j < col1; j += LANES) {
        const ptrdiff_t lanes = col1 - j;
        real *out = (real *)db + j;
        FOR_PIECES(piece, span) {
            real *to = piece.cut ? out + partial : out;
            vec sum = piece.begun ? load_first(out + partial, lanes) : all(0);
            for (ptrdiff_t r = piece.end - 1; r >= piece.begin; r--)
                sum += load_first((const real *)x.data + r * x.ld + j, lanes) *
                       load_first((const real *)dy.data + r * dy.ld + j, lanes);
            if (piece.add) sum = load_first(to, lanes) + rounded(sum);
            store_first(to, sum, lanes);
            if (piece.begin == 0) break;
        }
    }
}

/* NaN if any is NaN. */
static real largest_of(const real *x, ptrdiff_t n) {
    real top = x[0], lanes[LANES];
    if (n < LANES) {
        for (ptrdiff_t j = 1; j < n; j++)
            if (x[j] > top || isnan(x[j])) top = x[j];
        return top;
    }
    vec tops = load(x);
    for (ptrdiff_t j = LANES; j < n; j += LANES) {
        const vec v = load(x + (n - j < LANES ? n - LANES : j));
        tops = choose((v > tops) | (v != v), v, tops);
    }
    store(lanes, tops);
    for (ptrdiff_t half = LANES / 2; half > 0; half /= 2)
        for (ptrdiff_t i = 0; i < half; i++) {
            const real v = lanes[i + half];
            lanes[i] = ((v > lanes[i]) | (v != v)) ? v : lanes[i];
        }
    return lanes[0];
}

static void gather(vg_matrix y, vg_matrix x, const int64_t *order, const vg_rows *rows) {
    FOR_ROWS(r, rows)
        memcpy((real *)y.data + r * y.ld, (const real *)x.data + (order ? order[r] : r) * x.ld,
               y.cols * sizeof(real));
}

static void gather_sequences(vg_matrix y, vg_matrix x, const int64_t *order, ptrdiff_t time, ptrdiff_t length,
                             const vg_rows *rows) {
    for (ptrdiff_t r = rows->begin; r < rows->end; r++) {
        const real *from = (const real *)x.data + ((order ? order[r] : r) * length + time) * x.ld;
        real *to = (real *)y.data + r * y.ld;
        for (ptrdiff_t t = 0; t < rows->times; t++, from += x.ld, to += rows->stride * y.ld)
            if (y.cols < LANES)
                for (ptrdiff_t j = 0; j < y.cols; j++) to[j] = from[j];
            else
                memcpy(to, from, y.cols * sizeof(real));
    }
}

static void scatter(vg_matrix dw, vg_matrix dy, const int64_t *order, int add, ptrdiff_t rows, ptrdiff_t in0,
                    ptrdiff_t in1) {
    if (!add) memset((real *)dw.data + in0 * dw.ld, 0, (in1 - in0) * dw.ld * sizeof(real));
    for (ptrdiff_t r = rows - 1; r >= 0; r--) {
        if (order[r] < in0 || order[r] >= in1) continue;
        real *to = (real *)dw.data + order[r] * dw.ld;
        const real *from = (const real *)dy.data + r * dy.ld;
        for (ptrdiff_t j = 0; j < dw.cols; j += LANES)
            store_first(to + j, load_first(to + j, dw.cols - j) + load_first(from + j, dw.cols - j), dw.cols - j);
    }
}

static void clear_ended(vg_matrix y, const vg_rows *rows) {
    if (!rows->ends) return;
    for (ptrdiff_t t = 0; t < rows->times; t++)
        for (ptrdiff_t r = rows->ends[t]; r < rows->end; r++)
            memset((real *)y.data + (t * rows->stride + r) * y.ld, 0, y.cols * sizeof(real));
}

static void prefetch(vg_matrix x, ptrdiff_t row) {
    const char *begin = (const char *)((const real *)x.data + row * x.ld);
    for (size_t byte = 0; byte < x.cols * sizeof(real); byte += 64) __builtin_prefetch(begin + byte);
}

static int all_finite(const void *x_, ptrdiff_t n) {
    const real *x = x_;
    vec sum[SUM_VECTORS] = {all(0), all(0), all(0), all(0)};
    ptrdiff_t i = 0;
    for (; i + SUM_VECTORS * LANES <= n; i += SUM_VECTORS * LANES)
        for (ptrdiff_t v = 0; v < SUM_VECTORS; v++) sum[v] += 0 * load(x + i + v * LANES); /* 0 * inf is NaN */
    for (; i < n; i += LANES) sum[0] += 0 * load_first(x + i, n - i);
    return lane_sum((sum[0] + sum[1]) + (sum[2] + sum[3])) == 0;
}
