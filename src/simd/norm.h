/* Batch normalisation (Ioffe and Szegedy 2015), and what it shares with the layers whose sums over rows run in
 * double: rows in blocks that stay in cache, and sums per chunk of rows over all places.
 *
 * Moments are taken of deviations from a row of the chunk, and columns are centred before they are scaled, so
 * that float32 keeps its digits however far from 0 the numbers lie.
 */

/* For each chunk of at most VG_ROW_CHUNK rows: `count` rows from row `begin` of the matrix on. Places run from the
 * last to the first, the order of sums that go on from a later window of time. */
#define FOR_PLACES_BACK(chunk, begin, count, all_rows)                                                        \
    for (ptrdiff_t t_ = (all_rows)->times - 1; t_ >= 0; t_--)                                                 \
        for (ptrdiff_t chunk = (all_rows)->begin / VG_ROW_CHUNK, at_ = (all_rows)->begin,                     \
                       stop_ = rows_end(all_rows, t_), begin, count;                                          \
             begin = t_ * (all_rows)->stride + at_,                                                           \
                       count = stop_ - at_ < VG_ROW_CHUNK ? stop_ - at_ : VG_ROW_CHUNK, at_ < stop_;          \
             chunk++, at_ += VG_ROW_CHUNK)

#define BLOCK_BYTES (16 << 10) /* of a matrix, that one loop leaves in cache for the next */

/* Some rows of a few places, the first of which is place `place` of the matrix. */
typedef struct {
    ptrdiff_t place;
    vg_rows rows;
} Block;

INLINE ptrdiff_t rows_of_block(ptrdiff_t cols) {
    const ptrdiff_t rows = BLOCK_BYTES / (ptrdiff_t)sizeof(real) / cols / VG_ROW_CHUNK * VG_ROW_CHUNK;
    return rows > VG_ROW_CHUNK ? rows : VG_ROW_CHUNK;
}

/* How many blocks of `block` rows there are. */
INLINE ptrdiff_t blocks_of(const vg_rows *all, ptrdiff_t block) {
    const ptrdiff_t height = all->end - all->begin, per_block = height > 0 ? block / height : 0;
    if (height <= 0) return 0;
    return per_block ? (all->times + per_block - 1) / per_block : (height + block - 1) / block * all->times;
}

static Block block_of(const vg_rows *all, ptrdiff_t block, ptrdiff_t i) {
    const ptrdiff_t height = all->end - all->begin, per_block = block / height;
    if (per_block) {
        const ptrdiff_t place = i * per_block, left = all->times - place;
        return (Block){place,
                       {.begin = all->begin,
                        .end = all->end,
                        .times = left < per_block ? left : per_block,
                        .stride = all->stride,
                        .ends = all->ends ? all->ends + place : NULL}};
    }
    const ptrdiff_t per_place = (height + block - 1) / block, place = i / per_place;
    const ptrdiff_t begin = all->begin + i % per_place * block, end = rows_end(all, place);
    return (Block){place,
                   {.begin = begin,
                    .end = end < begin + block ? end : begin + block,
                    .times = 1,
                    .stride = all->stride}};
}

/* For each block of `rows`, from the last place to the first. */
#define FOR_BLOCKS(block, all_rows, cols)                                                                     \
    for (ptrdiff_t size_ = rows_of_block(cols), i_ = blocks_of(all_rows, size_) - 1; i_ >= 0; i_--)           \
        for (Block block = block_of(all_rows, size_, i_), *once_ = &block; once_; once_ = NULL)

/* A matrix as the rows of a block see it. */
INLINE vg_matrix seen(vg_matrix m, const Block *block) {
    m.data = (real *)m.data + block->place * block->rows.stride * m.ld;
    return m;
}

INLINE vg_taps taps_seen(const vg_taps *taps, const Block *block) {
    const ptrdiff_t chunk = block->place * ((block->rows.stride + VG_ROW_CHUNK - 1) / VG_ROW_CHUNK);
    vg_taps here = *taps;
    here.delta_norm += chunk;
    here.mean += chunk;
    here.deviation += chunk;
    here.saturated += chunk;
    return here;
}

static void slopes_of_block(vg_matrix delta, vg_matrix h, vg_matrix z, const vg_function *f, int done,
                            const vg_taps *taps, const Block *block) {
    const vg_taps here = taps ? taps_seen(taps, block) : (vg_taps){0};
    activation_backward(seen(delta, block), seen(h, block), seen(z, block), f, done, taps ? &here : NULL,
                        &block->rows);
}

/* total[j .. j + LANES) += v */
INLINE void add_widened(double *total, vec v) {
#if REAL_BITS == 32
    typedef real half __attribute__((vector_size(VEC_BYTES / 2)));
    half part[2];
    memcpy(part, &v, sizeof v);
    for (int i = 0; i < 2; i++) {
        dvec sum;
        memcpy(&sum, total + i * (LANES / 2), sizeof sum);
        sum += __builtin_convertvector(part[i], dvec);
        memcpy(total + i * (LANES / 2), &sum, sizeof sum);
    }
#else
    store(total, load(total) + v);
#endif
}

#define CHUNK_OF(sums, chunk) ((double *)(sums).data + (chunk) * (sums).ld)

/* The sums of this thread's chunks begin at 0. */
static void clear_chunks(vg_matrix sums, const vg_rows *rows) {
    for (ptrdiff_t r = rows->begin; r < rows->end; r += VG_ROW_CHUNK)
        memset(CHUNK_OF(sums, r / VG_ROW_CHUNK), 0, sums.cols * sizeof(double));
}

#define TOTALS 64 /* columns at a time */

static void join_chunks(void *y, vg_matrix sums, ptrdiff_t chunks, double scale, ptrdiff_t col0, ptrdiff_t col1) {
    for (ptrdiff_t j = col0; j < col1; j += TOTALS) {
        const ptrdiff_t n = col1 - j < TOTALS ? col1 - j : TOTALS;
        double total[TOTALS] = {0};
        for (ptrdiff_t c = 0; c < chunks; c++)
            for (ptrdiff_t k = 0; k < n; k++) total[k] += CHUNK_OF(sums, c)[j + k];
        for (ptrdiff_t k = 0; k < n; k++) ((real *)y)[j + k] = (real)(scale * total[k]);
    }
}

/* Moments of a chunk: means, squared deviations, and the number of rows they are of. */
#define SQUARES(cols) VG_PADDED(cols)
#define COUNT(cols) (2 * VG_PADDED(cols))

static void column_moments(vg_matrix moments, vg_matrix x, const vg_rows *rows) {
    const ptrdiff_t n = x.cols;
    clear_chunks(moments, rows);
    FOR_PLACES_BACK(c, begin, count, rows) {
        const real *at = (const real *)x.data + begin * x.ld, *origin = (const real *)x.data + c * VG_ROW_CHUNK * x.ld;
        double *sum = CHUNK_OF(moments, c);
        sum[COUNT(n)] += (double)count;
        FOR_COLUMNS(n, {
            const vec from = AT(origin);
            vec part = all(0), square = all(0);
            for (ptrdiff_t r = 0; r < count; r++) {
                const vec v = AT(at + r * x.ld) - from;
                part += v;
                square += v * v;
            }
            add_widened(sum + j, part);
            add_widened(sum + SQUARES(n) + j, square);
        });
    }
    for (ptrdiff_t r = rows->begin; r < rows->end; r += VG_ROW_CHUNK) {
        double *restrict sum = CHUNK_OF(moments, r / VG_ROW_CHUNK), count = sum[COUNT(n)];
        const real *restrict origin = (const real *)x.data + r * x.ld;
        if (count == 0) continue;
        for (ptrdiff_t j = 0; j < n; j++) {
            const double shift = sum[j] / count;
            sum[SQUARES(n) + j] -= sum[j] * shift;
            sum[j] = (double)origin[j] + shift;
        }
    }
}

static double merged_moments(double *mean_, double *variance_, vg_matrix moments, ptrdiff_t chunks, ptrdiff_t n) {
    double *restrict mean = mean_, *restrict variance = variance_, count = 0;
    for (ptrdiff_t j = 0; j < n; j++) mean[j] = variance[j] = 0;
    for (ptrdiff_t c = 0; c < chunks; c++) {
        const double *restrict chunk = CHUNK_OF(moments, c);
        const double more = chunk[COUNT(n)], share = more / (count + more), weight = count * share;
        if (more == 0) continue;
        for (ptrdiff_t j = 0; j < n; j++) {
            const double apart = chunk[j] - mean[j];
            mean[j] += share * apart;
            variance[j] += chunk[SQUARES(n) + j] + weight * apart * apart;
        }
        count += more;
    }
    for (ptrdiff_t j = 0; j < n; j++) variance[j] = no_less(variance[j] / count, 0);
    return count;
}

static void blend(void *y_, const double *restrict x, double share, double scale, ptrdiff_t n) {
    real *restrict y = y_;
    for (ptrdiff_t j = 0; j < n; j++) y[j] = (real)((1 - share) * y[j] + share * (scale * x[j]));
}

static void widen(double *restrict y, const void *x, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) y[j] = ((const real *)x)[j];
}

/* A normaliser's vectors. */
enum { CENTRE, INVERSE, OFFSET };
#define VECTOR(normaliser, which, n) ((real *)(normaliser) + (which) * VG_PADDED(n))

static void normaliser(void *to, const double *restrict mean, const double *restrict variance, double epsilon,
                       ptrdiff_t n) {
    real *restrict centre = VECTOR(to, CENTRE, n), *restrict inverse = VECTOR(to, INVERSE, n);
    real *restrict offset = VECTOR(to, OFFSET, n);
    for (ptrdiff_t j = 0; j < n; j++) {
        const double scale = 1 / sqrt(variance[j] + epsilon);
        centre[j] = (real)mean[j];
        inverse[j] = (real)scale;
        offset[j] = (real)((centre[j] - mean[j]) * scale);
    }
}

/* One vector of columns of a normaliser, and of the scale and shift behind it. */
typedef struct {
    vec centre, inverse, offset, weight, bias;
} Columns;

INLINE Columns columns_at(const void *from, const real *weight, const real *bias, ptrdiff_t n, ptrdiff_t j,
                          ptrdiff_t lanes) {
    return (Columns){.centre = AT(VECTOR(from, CENTRE, n)),
                     .inverse = AT(VECTOR(from, INVERSE, n)),
                     .offset = AT(VECTOR(from, OFFSET, n)),
                     .weight = weight ? AT(weight) : all(1),
                     .bias = bias ? AT(bias) : all(0)};
}

INLINE vec standardised(vec x, const Columns *c) { return (x - c->centre) * c->inverse + c->offset; }

INLINE void normalise_rows(Value value, vg_matrix h, vg_matrix x, const void *from, const void *weight,
                           const void *bias, const vg_rows *rows) {
    FOR_PLACES_BACK(c, begin, count, rows) {
        (void)c;
        real *out = (real *)h.data + begin * h.ld;
        const real *in = (const real *)x.data + begin * x.ld;
        FOR_COLUMNS(h.cols, {
            const Columns column = columns_at(from, weight, bias, h.cols, j, lanes);
            for (ptrdiff_t r = 0; r < count; r++) {
                const vec z = standardised(AT(in + r * x.ld), &column) * column.weight + column.bias;
                PUT(out + r * h.ld, value(z, all(0)));
            }
        });
    }
}

static void normalise(vg_matrix h, vg_matrix z, vg_matrix x, const void *from, const void *weight, const void *bias,
                      const vg_function *f, const vg_rows *rows) {
    if (f->kind == VG_IDENTITY)
        normalise_rows(identity_value, h, x, from, weight, bias, rows);
    else if (f->kind == VG_RELU && z.data == h.data)
        normalise_rows(relu_value, h, x, from, weight, bias, rows);
    else
        FOR_BLOCKS(block, rows, h.cols) {
            const vg_matrix here = seen(z, &block);
            normalise_rows(identity_value, here, seen(x, &block), from, weight, bias, &block.rows);
            activation(seen(h, &block), here, f, &block.rows);
        }
}

/* Sums of delta, behind them of delta x standardised; `rectified`: delta is 0 where a ReLU of the normalised
 * number is. */
INLINE void add_normalised(vg_matrix sums, vg_matrix delta, vg_matrix x, const void *from, const void *weight,
                           const void *bias, const int rectified, const vg_rows *rows) {
    const ptrdiff_t n = x.cols;
    FOR_PLACES_BACK(c, begin, count, rows) {
        double *sum = CHUNK_OF(sums, c);
        real *d = (real *)delta.data + begin * delta.ld;
        const real *in = (const real *)x.data + begin * x.ld;
        FOR_COLUMNS(n, {
            const Columns column = columns_at(from, weight, bias, n, j, lanes);
            vec plain = all(0), product = all(0);
            for (ptrdiff_t r = 0; r < count; r++) {
                const vec v = standardised(AT(in + r * x.ld), &column);
                vec error = AT(d + r * delta.ld);
                if (rectified) {
                    error = keep(~(v * column.weight + column.bias <= all(0)), error);
                    PUT(d + r * delta.ld, error);
                }
                plain += error;
                product += error * v;
            }
            add_widened(sum + j, plain);
            add_widened(sum + VG_PADDED(n) + j, product);
        });
    }
}

static void normalise_backward(vg_matrix sums, vg_matrix delta, vg_matrix h, vg_matrix z, vg_matrix x,
                               const void *from, const void *weight, const void *bias, const vg_function *f,
                               int done, const vg_taps *taps, const vg_rows *rows) {
    clear_chunks(sums, rows);
    if (!taps && !done && f->kind == VG_RELU)
        add_normalised(sums, delta, x, from, weight, bias, 1, rows);
    else
        FOR_BLOCKS(block, rows, x.cols) {
            slopes_of_block(delta, h, z, f, done, taps, &block);
            add_normalised(sums, seen(delta, &block), seen(x, &block), from, weight, bias, 0, &block.rows);
        }
}

static void normalise_input(vg_matrix dx, vg_matrix delta, vg_matrix x, const void *from, const void *weight,
                            const void *means, int add, const vg_rows *rows) {
    const ptrdiff_t n = x.cols;
    const real *mean = means, *slope = mean + VG_PADDED(n);
    FOR_PLACES_BACK(c, begin, count, rows) {
        (void)c;
        real *out = (real *)dx.data + begin * dx.ld;
        const real *d = (const real *)delta.data + begin * delta.ld, *in = (const real *)x.data + begin * x.ld;
        FOR_COLUMNS(n, {
            const Columns column = columns_at(from, weight, NULL, n, j, lanes);
            const vec scale = column.weight * column.inverse, shift = AT(mean), tilt = AT(slope);
            for (ptrdiff_t r = 0; r < count; r++) {
                const vec v = standardised(AT(in + r * x.ld), &column);
                const vec error = scale * (AT(d + r * delta.ld) - shift - v * tilt);
                PUT(out + r * dx.ld, add ? AT(out + r * dx.ld) + error : error);
            }
        });
    }
}
