/* Random numbers without a stream: a number is a function of the step's key and of where it is wanted, so it is
 * the same on whatever thread, in whatever order, at whatever CPU level.
 *
 * Words come from Wellons' triple32 (https://nullprogram.com/blog/2018/07/31/), a permutation of 32 bits whose
 * avalanche is as good as random, of the column plus half of the row's 64-bit key; the other half enters behind
 * the first round, so that rows which share a half have different words.
 */
typedef uint32_t words __attribute__((vector_size(VEC_BYTES / sizeof(real) * sizeof(uint32_t))));
typedef int32_t signed_words __attribute__((vector_size(VEC_BYTES / sizeof(real) * sizeof(int32_t))));

typedef struct {
    uint32_t first, second;
} RowKey;

/* The finaliser of splitmix64 (Steele, Lea and Flood 2014). */
INLINE uint64_t mixed(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

INLINE RowKey row_key(uint64_t key, uint64_t row) {
    const uint64_t bits = mixed(key ^ mixed(row));
    return (RowKey){(uint32_t)bits, (uint32_t)(bits >> 32)};
}

/* The words of columns [column, column + LANES) of a row. */
INLINE words drawn(RowKey key, uint32_t column) {
    words x;
    for (int i = 0; i < LANES; i++) x[i] = (uint32_t)i;
    x += column + key.first;
    x = (x ^ (x >> 17)) * 0xed5ad4bbu + key.second;
    x = (x ^ (x >> 11)) * 0xac4c1b51u;
    x = (x ^ (x >> 15)) * 0x31848babu;
    return x ^ (x >> 14);
}

INLINE vec as_real(words w) { return __builtin_convertvector((signed_words)w, vec); }

INLINE uint64_t stream_key(uint64_t key, int stream) { return mixed(key ^ mixed((uint64_t)stream)); }

INLINE uint64_t row_at(ptrdiff_t place, ptrdiff_t r) { return (uint64_t)place << 32 | (uint64_t)r; }

/* y = scale x + shift with a chance of 1 - rate, else `dropped`, which a dropout without `affine` has 0, as its shift. */
INLINE void drop_out(vg_matrix y, vg_matrix x, double rate, real scale, real shift, real dropped, const int affine,
                     uint64_t key, ptrdiff_t first_place, int shared, const vg_rows *rows) {
    const uint32_t threshold = (uint32_t)(rate * 0x1p32);
    for (ptrdiff_t t = 0; t < rows->times; t++)
        for (ptrdiff_t r = rows->begin; r < rows_end(rows, t); r++) {
            const RowKey row = row_key(key, row_at(shared ? 0 : first_place + t, r));
            const real *in = element(x, t * rows->stride + r, 0);
            real *out = element(y, t * rows->stride + r, 0);
            FOR_COLUMNS(y.cols, {
                const mask kept = __builtin_convertvector(drawn(row, (uint32_t)j) >= threshold, mask);
                const vec v = keep(kept, all(scale)) * AT(in); /* NaN remains */
                PUT(out, affine ? v + choose(kept, all(shift), all(dropped)) : v);
            });
        }
}

static void dropout(vg_matrix y, vg_matrix x, double rate, uint64_t key, int stream, ptrdiff_t first_place,
                    int shared, const vg_rows *rows) {
    drop_out(y, x, rate, (real)(1 / (1 - rate)), 0, 0, 0, stream_key(key, stream), first_place, shared, rows);
}

static void alpha_dropout(vg_matrix y, vg_matrix x, double rate, double scale, double shift, double dropped,
                          uint64_t key, int stream, ptrdiff_t first_place, int shared, const vg_rows *rows) {
    drop_out(y, x, rate, (real)scale, (real)shift, (real)dropped, 1, stream_key(key, stream), first_place, shared,
             rows);
}

/* Box and Muller 1958, with one result of two. */
INLINE vec normal_at(RowKey radius, RowKey angle, uint32_t column) {
    const vec uniform = (as_real(drawn(radius, column) >> 1) + (real)0.5) * (real)0x1p-31;
    return square_root(-2 * vlog_normal(uniform)) * vsin_pi(as_real(drawn(angle, column)) * (real)0x1p-32);
}

#define NOISE_ROW 4096 /* elements that share a row's keys */

static void add_noise(void *g_, ptrdiff_t n, double sigma, uint64_t key, ptrdiff_t first_element) {
    for (ptrdiff_t i = 0, stop; i < n; i = stop) {
        const ptrdiff_t row = (first_element + i) / NOISE_ROW, column = (first_element + i) % NOISE_ROW;
        const RowKey radius = row_key(key, 2 * (uint64_t)row), angle = row_key(key, 2 * (uint64_t)row + 1);
        real *g = (real *)g_ + i;
        stop = i + NOISE_ROW - column < n ? i + NOISE_ROW - column : n;
        FOR_COLUMNS(stop - i, PUT(g, AT(g) + (real)sigma * normal_at(radius, angle, (uint32_t)(column + j))););
    }
}

static void noise_rows(vg_matrix y, vg_matrix x, double sigma, uint64_t key, int stream, ptrdiff_t first_place,
                       const vg_rows *rows) {
    const uint64_t radius_key = stream_key(key, stream), angle_key = mixed(radius_key);
    for (ptrdiff_t t = 0; t < rows->times; t++)
        for (ptrdiff_t r = rows->begin; r < rows_end(rows, t); r++) {
            const uint64_t at = row_at(first_place + t, r);
            const RowKey radius = row_key(radius_key, at), angle = row_key(angle_key, at);
            const real *in = element(x, t * rows->stride + r, 0);
            real *out = element(y, t * rows->stride + r, 0);
            FOR_COLUMNS(y.cols, PUT(out, AT(in) + (real)sigma * normal_at(radius, angle, (uint32_t)j)););
        }
}
