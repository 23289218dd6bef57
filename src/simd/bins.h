/* How many numbers there are of each sign and binary exponent, told by their bits: what a number is counted as depends
 * on nothing but itself, so counts are the same however numbers are dealt out, and in whatever order.
 *
 * Vectors of reals are packed to their upper 16 bits, sign and exponent among them. Exponents in a window of 16,
 * or two, become one bit each of a word per number and sign, and words are added up in carry-save adders: vector k of a
 * sum holds the bits that count 2^k (Klarqvist, Mula and Lemire 2021, arXiv 1911.02696). What lies outside of the
 * window makes no bit; a batch with such numbers is looked through again for them alone. Table by table the window is
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
    GROUPS = 16,             /* in a batch */
    BATCH = GROUPS * GROUP,
    SIGN = 1 << (REAL_BITS - 1 - MANTISSA_BITS), /* above the exponent */
    MANTISSA_SHIFT = 16 - (REAL_BITS - MANTISSA_BITS), /* of an upper half */
    WINDOW = 16,
    LEVELS = 8,            /* of a sum, each of whose bits counts at most 16 in a batch */
    MOST_BATCHES = ((1 << LEVELS) - 1) / GROUPS,
    POSITIVE = 0, NEGATIVE, SIGNS,
    SUMS = 2 * SIGNS       /* of two words each */
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
#if REAL_BITS == 32 && defined(__AVX512F__)
    return (halves)LOGIC(v[0] >> 16, v[1], (bit_vec){0} + last, 0xf8);
#elif REAL_BITS == 32
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

/* Where in the window numbers are; SIGN above it may be those that are negative. */
INLINE halves place_of(halves upper, uint16_t window) {
#if defined(__AVX512F__)
    return (upper >> MANTISSA_SHIFT) - window;
#else
    return ((upper + upper) >> (MANTISSA_SHIFT + 1)) - window;
#endif
}

/* The bits that only places outside of the window have. (A negative number's, below the window, is SIGN less than so many
 * exponents, of which there are too few to reach into it.) */
INLINE halves outside_of(halves places, const int words) { return places & (uint16_t)~(SIGN | (WINDOW * words - 1)); }

/* A bit of word w for each number in it, by signs. */
INLINE void set_bits(halves *positive, halves *negative, halves place, halves upper, const int w) {
#if defined(__AVX512F__)
    (void)upper;
    *positive = bit_of(place - (uint16_t)(WINDOW * w));
    *negative = bit_of(place - (uint16_t)(WINDOW * w + SIGN));
#else
    const halves bit = bit_of(place - (uint16_t)(WINDOW * w)), below_zero = (halves)((signed_halves)upper >> 15);
    *positive = bit & ~below_zero;
    *negative = bit & below_zero;
#endif
}

/* What is counted of a table's numbers until it is settled. */
typedef struct {
    vg_bins *table;
    ptrdiff_t window;
    ptrdiff_t ld;                  /* from one vector of a group to the next */
    ptrdiff_t batches, filled;     /* added, and fillers among them: positive, of the window's first exponent */
    int groups;                    /* waiting, to make a batch */
    const real *origin[GROUPS];    /* of their first vectors */
    halves group[GROUPS];
    halves sum[SUMS][LEVELS];
} Tally;

INLINE void begin_tally(Tally *tally, vg_bins *table, ptrdiff_t ld, const int words) {
    tally->table = table;
    tally->window = table->window;
    tally->ld = ld;
    tally->batches = tally->filled = tally->groups = 0;
#pragma GCC unroll 4
    for (int s = 0; s < words * SIGNS; s++)
#pragma GCC unroll 8
        for (int k = 0; k < LEVELS; k++) tally->sum[s][k] = (halves){0};
}

/* Adds a batch, from x on or, where x is NULL, of groups; returns whether some of its numbers lie outside of the
 * window. */
INLINE int add_some(Tally *tally, const real *x, const int words) {
    halves places = {0}, carry[SUMS][4], low[SUMS][2];
#pragma GCC unroll 4
    for (int s = 0; s < words * SIGNS; s++)
        for (int k = 0; k < 2; k++) low[s][k] = tally->sum[s][k];
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) {
        halves upper[4], place[4];
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            upper[g] = x ? upper_halves(x + (4 * q + g) * GROUP) : tally->group[4 * q + g];
            place[g] = place_of(upper[g], (uint16_t)tally->window);
            places |= place[g];
        }
#pragma GCC unroll 2
        for (int w = 0; w < words; w++) {
            halves positive[4], negative[4];
#pragma GCC unroll 4
            for (int g = 0; g < 4; g++) set_bits(positive + g, negative + g, place[g], upper[g], w);
            carry[SIGNS * w + POSITIVE][q] = add_four(low[SIGNS * w + POSITIVE], positive);
            carry[SIGNS * w + NEGATIVE][q] = add_four(low[SIGNS * w + NEGATIVE], negative);
        }
    }
#pragma GCC unroll 4
    for (int s = 0; s < words * SIGNS; s++) {
        halves *level = tally->sum[s], over;
        for (int k = 0; k < 2; k++) level[k] = low[s][k];
        over = add_four(level + 2, carry[s]);
#pragma GCC unroll 4
        for (int k = 4; k < LEVELS; k++) {
            const halves next = level[k] & over;
            level[k] ^= over;
            over = next;
        }
    }
    return any_lane((mask)outside_of(places, words));
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

/* How often each bit of a word was set; the levels are nought then. */
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
#pragma GCC unroll 8
    for (int k = 0; k < LEVELS; k++) level[k] = (halves){0};
}

/* Said once in the code for each number of words, as it is called from several places. */
static __attribute__((noinline)) int add_one(Tally *tally, const real *x) { return add_some(tally, x, 1); }
static __attribute__((noinline)) int add_two(Tally *tally, const real *x) { return add_some(tally, x, 2); }
INLINE int add_batch(Tally *tally, const real *x, const int words) {
    return words == 1 ? add_one(tally, x) : add_two(tally, x);
}

static __attribute__((noinline)) void settle_tally(Tally *tally, int words) {
    vg_bins *table = tally->table;
    for (int w = 0; w < words; w++) {
        int32_t positive[WINDOW], negative[WINDOW];
        const ptrdiff_t first = tally->window + MANTISSA_BITS - 1 + WINDOW * w;
        read_sum(positive, tally->sum[SIGNS * w + POSITIVE]);
        read_sum(negative, tally->sum[SIGNS * w + NEGATIVE]);
        if (w == 0) positive[0] -= (int32_t)tally->filled;
        for (int i = 0; i < WINDOW; i++) {
            if (positive[i] + negative[i] == 0) continue;
            note_exponent(table, first + i);
            table->count[2 * (first + i)] += positive[i];
            table->count[2 * (first + i) + 1] += negative[i];
        }
    }
    tally->batches = tally->filled = 0;
}

/* Those numbers of a group that are not in the window, many of which may be zeros. */
static __attribute__((noinline)) void count_outside(vg_bins *table, halves outside, const real *x, ptrdiff_t ld) {
    for (int i = 0; i < PACKED; i++, x += ld) {
        const mask some = (mask)(((bit_vec)outside >> 16 * i & 0xffff) != 0);
        const unsigned lanes = lane_bits(some), zeros = lanes & lane_bits(load_where(some, x) == 0);
        table->special[VG_ZEROS] += __builtin_popcount(zeros);
        for (unsigned others = lanes ^ zeros; others; others &= others - 1) count_one(table, x[__builtin_ctz(others)]);
    }
}

/* A batch from x on or, where x is NULL, of all groups that wait. */
INLINE void tally_batch(Tally *tally, const real *x, const int words) {
    const int groups = x ? GROUPS : tally->groups;
    if (add_batch(tally, x, words))
        for (int g = 0; g < groups; g++) {
            const halves upper = x ? upper_halves(x + g * GROUP) : tally->group[g];
            const halves outside = outside_of(place_of(upper, (uint16_t)tally->window), words);
            if (any_lane((mask)outside))
                count_outside(tally->table, outside, x ? x + g * GROUP : tally->origin[g], tally->ld);
        }
    if (!x) tally->groups = 0;
    if (++tally->batches == MOST_BATCHES) settle_tally(tally, words);
}

/* So many rows at once as make groups of vectors of columns; what is behind the last column or row is filled up. */
INLINE void tally_rows(Tally *tally, const real *x, ptrdiff_t rows, ptrdiff_t cols, const int words) {
    const vec filler = (vec)((bit_vec){0} + ((bits)tally->window << MANTISSA_BITS));
    for (ptrdiff_t r = 0; r < rows; r += PACKED, x += PACKED * tally->ld) {
        const ptrdiff_t high = rows - r < PACKED ? rows - r : PACKED;
        for (ptrdiff_t j = 0; j < cols; j += LANES) {
            const ptrdiff_t lanes = cols - j < LANES ? cols - j : LANES;
            bit_vec v[PACKED];
            if (lanes == LANES && high == PACKED)
                for (int i = 0; i < PACKED; i++) v[i] = (bit_vec)load(x + i * tally->ld + j);
            else
                for (int i = 0; i < PACKED; i++)
                    v[i] = (bit_vec)(i < high ? choose(first(lanes), load_first(x + i * tally->ld + j, lanes), filler)
                                              : filler);
            tally->filled += GROUP - high * lanes;
            tally->origin[tally->groups] = x + j;
            tally->group[tally->groups++] = packed_group(v);
            if (tally->groups == GROUPS) tally_batch(tally, NULL, words);
        }
    }
}

INLINE void end_tally(Tally *tally, const int words) {
    const halves none = (halves){0} + (uint16_t)(tally->window << MANTISSA_SHIFT);
    if (tally->groups > 0) {
        for (int g = tally->groups; g < GROUPS; g++) tally->group[g] = none;
        tally->filled += (GROUPS - tally->groups) * GROUP;
        tally_batch(tally, NULL, words);
    }
    if (tally->batches > 0) settle_tally(tally, words);
}

INLINE void count_flat(vg_bins *table, const real *x, ptrdiff_t n, const int words) {
    Tally tally;
    begin_tally(&tally, table, LANES, words);
    for (; n >= BATCH; n -= BATCH, x += BATCH) tally_batch(&tally, x, words);
    tally_rows(&tally, x, n / LANES, LANES, words);
    tally_rows(&tally, x + n / LANES * LANES, 1, n % LANES, words);
    end_tally(&tally, words);
}

INLINE void count_matrix(vg_bins *table, vg_matrix m, const vg_rows *rows, const int words) {
    Tally tally;
    begin_tally(&tally, table, m.ld, words);
    for (ptrdiff_t t = 0; t < rows->times; t++)
        tally_rows(&tally, element(m, t * rows->stride + rows->begin, 0), rows_end(rows, t) - rows->begin, m.cols, words);
    end_tally(&tally, words);
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
