/* How many numbers there are of each sign and binary exponent, told by their bits: what a number is counted as depends
 * on nothing but itself, so counts are the same however numbers are dealt out, and in whatever order.
 *
 * Vectors of reals are packed to their upper 16 bits, sign and exponent among them. Exponents in a window of 16,
 * or two, become one bit each of a word per number, and words are added up in carry-save adders: vector k of a sum holds
 * the bits that count 2^k (Klarqvist, Mula and Lemire 2021, arXiv 1911.02696). What lies outside of the window makes
 * no bit; a batch with such numbers is gone through again, for them alone. Table by table the window is
 * where the last step's numbers were.
 */
#if REAL_BITS == 32
#define MANTISSA_BITS 23
typedef uint32_t bits;
#else
#define MANTISSA_BITS 52
typedef uint64_t bits;
#endif
#define ENDLESS (((bits)1 << (REAL_BITS - 1 - MANTISSA_BITS)) - 1) /* the exponent field of infinity and NaN */

INLINE void note_exponent(vg_bins *table, ptrdiff_t k) {
    if (k < table->lowest) table->lowest = k;
    if (k > table->highest) table->highest = k;
}

/* A number, whatever it is. */
static __attribute__((noinline)) void count_one(vg_bins *table, real x) {
    bits all;
    memcpy(&all, &x, sizeof all);
    const bits size = all & ((bits)-1 >> 1), field = size >> MANTISSA_BITS;
    const int negative = (int)(all >> (REAL_BITS - 1));
    if (field == ENDLESS)
        table->special[size > ENDLESS << MANTISSA_BITS ? VG_NANS : negative ? VG_MINUS_INF : VG_PLUS_INF]++;
    else if (size == 0)
        table->special[VG_ZEROS]++;
    else {
        const ptrdiff_t k = field ? (ptrdiff_t)field + MANTISSA_BITS - 1 : 63 - __builtin_clzll(size);
        note_exponent(table, k);
        table->count[2 * k + negative]++;
    }
}

#if defined(__AVX2__) || defined(__aarch64__)
typedef uint16_t halves __attribute__((vector_size(VEC_BYTES)));
typedef int16_t signed_halves __attribute__((vector_size(VEC_BYTES)));
typedef bits bit_vec __attribute__((vector_size(VEC_BYTES)));
typedef uint64_t quads __attribute__((vector_size(VEC_BYTES)));

enum {
    GROUP = VEC_BYTES / 2, /* numbers whose upper halves fill a vector */
    PACKED = REAL_BITS / 16, /* vectors of reals in it */
    BATCH = 16 * GROUP,
    EXPONENT_SHIFT = 16 - (REAL_BITS - 1 - MANTISSA_BITS), /* of an upper half without its sign */
    WINDOW = 16,
    LEVELS = 8,            /* of a sum, each of whose bits counts at most 16 in a batch */
    MOST_BATCHES = ((1 << LEVELS) - 1) / 16,
    ALL = 0, NEGATIVE, SIGNS,
    SUMS = 2 * SIGNS       /* a word's numbers, and the negative ones of them */
};

#if defined(__AVX512F__)
#define LOGIC(a, b, c, truth) _mm512_ternarylogic_epi32((__m512i)(a), (__m512i)(b), (__m512i)(c), truth)
INLINE halves parity(halves a, halves b, halves c) { return (halves)LOGIC(a, b, c, 0x96); }
INLINE halves majority(halves a, halves b, halves c) { return (halves)LOGIC(a, b, c, 0xe8); }
#else
INLINE halves parity(halves a, halves b, halves c) { return a ^ b ^ c; }
INLINE halves majority(halves a, halves b, halves c) { return (a & b) | ((a ^ b) & c); }
#endif

/* Of a group, in any order. */
INLINE halves packed_group(const bit_vec v[PACKED]) {
    const bits last = (bits)0xffff << (REAL_BITS - 16);
#if REAL_BITS == 32
    return (halves)((v[0] >> 16) | (v[1] & last));
#else
    return (halves)((v[0] >> 48) | (v[1] >> 32 & last >> 32) | ((v[2] >> 16 & last >> 16) | (v[3] & last)));
#endif
}

INLINE halves upper_halves(const real *x) {
    bit_vec v[PACKED];
    for (int i = 0; i < PACKED; i++) v[i] = (bit_vec)load(x + i * LANES);
    return packed_group(v);
}

/* 1 << n, or 0 where n is not below 16. */
INLINE halves bit_of(halves n) {
#if defined(__AVX512F__)
    return (halves)_mm512_sllv_epi16(_mm512_set1_epi16(1), (__m512i)n);
#elif defined(__AVX2__)
    /* byte by byte: an index with its highest bit set looks up 0, and saturation sets it from 16 on */
    const __m128i powers = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i least = _mm256_min_epu16((__m256i)n, _mm256_set1_epi16(0xff));
    const __m256i twice = _mm256_or_si256(least, _mm256_slli_epi16(least, 8));
    const __m256i of_byte = _mm256_sub_epi8(twice, _mm256_set1_epi16(0x0800));
    return (halves)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(powers),
                                       _mm256_adds_epu8(of_byte, _mm256_set1_epi8(0x70)));
#else
    return (((halves){0} + 1) << (n & 15)) & (halves)(n < 16);
#endif
}

/* Adds two words to a level; returns what it carries. */
INLINE halves carried(halves *level, halves a, halves b) {
    const halves carry = majority(*level, a, b);
    *level = parity(*level, a, b);
    return carry;
}

INLINE halves add_four(halves *level, const halves *word) {
    const halves a = carried(level, word[0], word[1]), b = carried(level, word[2], word[3]);
    return carried(level + 1, a, b);
}

/* Adds BATCH numbers, from x on or, where x is NULL, packed already; returns whether some of them lie outside of the
 * window. */
INLINE int add_batch(halves sum[SUMS][LEVELS], const real *x, const halves *packed, uint16_t window, const int words) {
    halves places = {0}, carry[SUMS][4];
#pragma GCC unroll 1
    for (int q = 0; q < 4; q++) {
        halves word[SUMS][4];
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            const halves upper = x ? upper_halves(x + (4 * q + g) * GROUP) : packed[4 * q + g];
            const halves place = ((upper + upper) >> EXPONENT_SHIFT) - window;
            const halves negative = (halves)((signed_halves)upper >> 15);
            places |= place;
#pragma GCC unroll 2
            for (int w = 0; w < words; w++) {
                const halves bit = bit_of(place - (uint16_t)(WINDOW * w));
                word[SIGNS * w + ALL][g] = bit;
                word[SIGNS * w + NEGATIVE][g] = bit & negative;
            }
        }
#pragma GCC unroll 4
        for (int s = 0; s < words * SIGNS; s++) carry[s][q] = add_four(sum[s], word[s]);
    }
#pragma GCC unroll 4
    for (int s = 0; s < words * SIGNS; s++) {
        halves over = add_four(sum[s] + 2, carry[s]);
#pragma GCC unroll 4
        for (int k = 4; k < LEVELS; k++) {
            const halves next = sum[s][k] & over;
            sum[s][k] ^= over;
            over = next;
        }
    }
    return any_lane((mask)(places & (uint16_t)-(WINDOW * words)) != 0);
}

/* Swaps the bits of a that lie `by` above those of `which` with those of b. */
INLINE void swap_bits(halves *a, halves *b, int by, uint16_t which) {
    const halves t = ((*a >> by) ^ *b) & which;
    *b ^= t;
    *a ^= t << by;
}

/* The sums of four halves at a time, none of which is above 255. */
INLINE quads sums_of_four(halves h) {
#if defined(__AVX512F__)
    return (quads)_mm512_sad_epu8((__m512i)h, _mm512_setzero_si512());
#elif defined(__AVX2__)
    return (quads)_mm256_sad_epu8((__m256i)h, _mm256_setzero_si256());
#else
    const quads two = (quads)h + ((quads)h >> 32);
    return (two + (two >> 16)) & 0xffff;
#endif
}

/* How often each bit of a word was set; the levels are used up. */
INLINE void read_sum(int32_t count[WINDOW], halves level[LEVELS]) {
    /* bit i of byte j of level k becomes bit k of byte j of level i */
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) swap_bits(level + k, level + k + 4, 4, 0x0f0f);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) swap_bits(level + k + (k & 2), level + k + (k & 2) + 2, 2, 0x3333);
#pragma GCC unroll 4
    for (int k = 0; k < 8; k += 2) swap_bits(level + k, level + k + 1, 1, 0x5555);
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) {
        quads four = {0};
        uint64_t total = 0;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const halves bytes = level[4 * (q & 1) + i];
            four |= sums_of_four(q < 2 ? bytes & 0xff : bytes >> 8) << 16 * i;
        }
        for (int j = 0; j < VEC_BYTES / 8; j++) total += four[j];
        for (int i = 0; i < 4; i++) count[4 * q + i] = (int32_t)(total >> 16 * i & 0xffff);
    }
}

/* Moves sums into the table, but `filled` numbers that are positive and of the window's first exponent. */
INLINE void settle_sums(vg_bins *table, halves sum[SUMS][LEVELS], ptrdiff_t filled, ptrdiff_t window, const int words) {
    for (int w = 0; w < words; w++) {
        int32_t all[WINDOW], negative[WINDOW];
        const ptrdiff_t first = window + MANTISSA_BITS - 1 + WINDOW * w;
        read_sum(all, sum[SIGNS * w + ALL]);
        read_sum(negative, sum[SIGNS * w + NEGATIVE]);
        if (w == 0) all[0] -= (int32_t)filled;
        for (int i = 0; i < WINDOW; i++) {
            if (all[i] == 0) continue;
            note_exponent(table, first + i);
            table->count[2 * (first + i)] += all[i] - negative[i];
            table->count[2 * (first + i) + 1] += negative[i];
        }
    }
    memset(sum, 0, words * SIGNS * sizeof *sum);
}

/* Those of rows x n numbers that are not in the window. */
static __attribute__((noinline)) void count_outside(vg_bins *table, const real *x, ptrdiff_t ld, ptrdiff_t rows,
                                                    ptrdiff_t n, ptrdiff_t window, int words) {
    const bits least = (bits)window << MANTISSA_BITS, span = (bits)(WINDOW * words) << MANTISSA_BITS;
    bit_vec zeros = {0};
    for (ptrdiff_t r = 0; r < rows; r++, x += ld)
        for (ptrdiff_t i = 0; i < n; i += LANES) {
            const bit_vec inside = (bit_vec)first(n - i);
            const bit_vec size = (bit_vec)magnitude(n - i >= LANES ? load(x + i) : load_first(x + i, n - i));
            bit_vec outside = (bit_vec)(size - least >= span);
            if (!any_lane((mask)outside)) continue;
            const bit_vec zero = (bit_vec)(size == 0) & inside;
            zeros -= zero;
            outside &= inside & ~zero;
            if (!any_lane((mask)outside)) continue;
            for (ptrdiff_t j = 0; j < LANES; j++)
                if (outside[j]) count_one(table, x[i + j]);
        }
    for (ptrdiff_t j = 0; j < LANES; j++) table->special[VG_ZEROS] += (int64_t)zeros[j];
}

INLINE void fill(real *x, ptrdiff_t n, ptrdiff_t window) {
    const vec filler = (vec)((bit_vec){0} + ((bits)window << MANTISSA_BITS));
    ptrdiff_t i = n;
    for (; i % LANES; i++) x[i] = filler[0];
    for (; i < BATCH; i += LANES) store(x + i, filler);
}

INLINE void count_flat(vg_bins *table, const real *x, ptrdiff_t n, const int words) {
    halves sum[SUMS][LEVELS] = {{{0}}};
    real last[BATCH];
    ptrdiff_t batches = 0, filled = 0;
    const ptrdiff_t window = table->window;
    for (; n > 0; n -= BATCH, x += BATCH) {
        if (n < BATCH) {
            memcpy(last, x, n * sizeof(real));
            fill(last, n, window);
            x = last;
            filled = BATCH - n;
        }
        if (add_batch(sum, x, NULL, (uint16_t)window, words)) count_outside(table, x, 0, 1, BATCH - filled, window, words);
        if (++batches < MOST_BATCHES && n > BATCH) continue;
        settle_sums(table, sum, filled, window, words);
        batches = 0;
    }
}

/* The same of rows, so many at once as make groups of vectors of columns; what is behind the last column or row is
 * filled up. */
INLINE void count_matrix(vg_bins *table, vg_matrix m, const vg_rows *rows, const int words) {
    halves sum[SUMS][LEVELS] = {{{0}}}, waiting[16];
    const ptrdiff_t window = table->window;
    const vec filler = (vec)((bit_vec){0} + ((bits)window << MANTISSA_BITS));
    const halves none = packed_group((bit_vec[4]){(bit_vec)filler, (bit_vec)filler, (bit_vec)filler, (bit_vec)filler});
    ptrdiff_t batches = 0, groups = 0, filled = 0;
    int outside = 0;
    for (ptrdiff_t t = 0; t < rows->times; t++)
        for (ptrdiff_t r = rows->begin, end = rows_end(rows, t); r < end; r += PACKED) {
            const real *x = element(m, t * rows->stride + r, 0);
            const ptrdiff_t high = end - r < PACKED ? end - r : PACKED;
            for (ptrdiff_t j = 0; j < m.cols; j += LANES) {
                const ptrdiff_t lanes = m.cols - j < LANES ? m.cols - j : LANES;
                bit_vec v[PACKED];
                if (lanes == LANES && high == PACKED)
                    for (int i = 0; i < PACKED; i++) v[i] = (bit_vec)load(x + i * m.ld + j);
                else
                    for (int i = 0; i < PACKED; i++)
                        v[i] = (bit_vec)(i < high ? choose(first(lanes), load_first(x + i * m.ld + j, lanes), filler) : filler);
                filled += GROUP - high * lanes;
                waiting[groups++] = packed_group(v);
                if (groups < 16) continue;
                outside |= add_batch(sum, NULL, waiting, (uint16_t)window, words);
                groups = 0;
                if (++batches < MOST_BATCHES) continue;
                settle_sums(table, sum, filled, window, words);
                batches = filled = 0;
            }
        }
    if (groups > 0) {
        filled += (16 - groups) * GROUP;
        while (groups < 16) waiting[groups++] = none;
        outside |= add_batch(sum, NULL, waiting, (uint16_t)window, words);
        batches++;
    }
    if (batches > 0) settle_sums(table, sum, filled, window, words);
    for (ptrdiff_t t = 0; outside && t < rows->times; t++)
        count_outside(table, element(m, t * rows->stride + rows->begin, 0), m.ld, rows_end(rows, t) - rows->begin, m.cols,
                      window, words);
}

/* A table that has seen no step yet: a window that ends with the largest of n numbers. */
static void guess_window(vg_bins *table, const real *x, ptrdiff_t n) {
    ptrdiff_t top = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        bits all;
        memcpy(&all, x + i, sizeof all);
        const bits field = (all & ((bits)-1 >> 1)) >> MANTISSA_BITS;
        if (field < ENDLESS && (ptrdiff_t)field > top) top = (ptrdiff_t)field;
    }
    table->words = 2;
    table->window = vg_window_at(top - 2 * WINDOW + 3, 2, sizeof(real));
}

static void count(vg_bins *table, const void *x, ptrdiff_t n) {
    if (table->words == 0) guess_window(table, x, n < BATCH ? n : BATCH);
    if (table->words == 1)
        count_flat(table, x, n, 1);
    else
        count_flat(table, x, n, 2);
}

static void count_rows(vg_bins *table, vg_matrix x, const vg_rows *rows) {
    if (table->words == 0 && rows->begin < rows->end) guess_window(table, element(x, rows->begin, 0), x.cols);
    if (table->words == 1)
        count_matrix(table, x, rows, 1);
    else if (table->words == 2)
        count_matrix(table, x, rows, 2);
}
#else
static void count(vg_bins *table, const void *x_, ptrdiff_t n) {
    const real *x = x_;
    for (ptrdiff_t i = 0; i < n; i++) count_one(table, x[i]);
}

static void count_rows(vg_bins *table, vg_matrix x, const vg_rows *rows) {
    FOR_ROWS(r, rows) count(table, element(x, r, 0), x.cols);
}
#endif

static ptrdiff_t join_tables(uint16_t *entry, vg_bins *tables, int threads) {
    return vg_join_tables(entry, tables, threads, sizeof(real));
}
