/* What tiles read, copied to where they find it: panels of B and blocks of A. */

/* Where in its group a vector of columns begins. */
INLINE ptrdiff_t vector_begin(Group group, int v) {
    return v == 0 || v + 1 < group.vectors ? v * LANES : group.cols - LANES;
}

INLINE vec shuffled(vec a, vec b, mask from) {
#ifdef __clang__
    vec v; /* `from` is constant: one shuffle */
    for (int i = 0; i < LANES; i++) v[i] = from[i] < LANES ? a[from[i]] : b[from[i] - LANES];
    return v;
#else
    return __builtin_shuffle(a, b, from);
#endif
}

/* Of each `scope` lanes of a and b the lower or upper half, `unit` lanes of either in turn. */
INLINE vec interleaved(vec a, vec b, const int unit, const int scope, const int upper) {
    mask from;
    for (int i = 0; i < LANES; i++) {
        const int turn = i % scope / unit;
        from[i] = i / scope * scope + upper * scope / 2 + turn / 2 * unit + i % unit + turn % 2 * (int)LANES;
    }
    return shuffled(a, b, from);
}

INLINE void cross(vec *a, vec *b, const int unit, const int scope) {
    const vec low = interleaved(*a, *b, unit, scope, 0);
    *b = interleaved(*a, *b, unit, scope, 1);
    *a = low;
}

/* Four vectors of four units in each scope: their transpose. */
INLINE void cross_four(vec *a, vec *b, vec *c, vec *d, const int unit, const int scope) {
    cross(a, b, unit, scope);
    cross(c, d, unit, scope);
    cross(a, c, 2 * unit, scope);
    cross(b, d, 2 * unit, scope);
    const vec third = *b;
    *b = *c;
    *c = third;
}

#define QUARTER ((int)(16 / sizeof(real))) /* lanes of 16 bytes: shuffling across them costs more */

/* rows[] of LANES vectors, transposed in place: within 16 bytes, then these. */
INLINE void transpose(vec rows[]) {
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i += QUARTER)
        if (QUARTER == 4)
            cross_four(rows + i, rows + i + 1, rows + i + 2, rows + i + 3, 1, QUARTER);
        else
            cross(rows + i, rows + i + 1, 1, QUARTER);
#pragma GCC unroll 4
    for (int i = 0; i < QUARTER; i++)
        if (LANES == 4 * QUARTER)
            cross_four(rows + i, rows + i + QUARTER, rows + i + 2 * QUARTER, rows + i + 3 * QUARTER, QUARTER,
                       LANES);
        else if (LANES == 2 * QUARTER)
            cross(rows + i, rows + i + QUARTER, QUARTER, LANES);
}

/* panel[p, j] = b[j * stride + p], j < cols <= LANES, and zeros behind them, `width` lanes of each row of the panel: LANES x
 * LANES blocks through registers, the last of which overlaps the one before it. */
INLINE void pack_blocks(real *panel, ptrdiff_t ldp, const real *b, ptrdiff_t stride, const int whole,
                        ptrdiff_t depth, ptrdiff_t cols, ptrdiff_t width) {
    for (ptrdiff_t row = 0; row < depth; row += LANES) {
        const ptrdiff_t p = row + LANES <= depth || depth < LANES ? row : depth - LANES;
        vec block[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            block[i] = whole      ? load(b + i * stride + p)
                       : i < cols ? load_first(b + i * stride + p, depth - p)
                                  : all(0);
        transpose(block);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            if (whole)
                store(panel + (p + i) * ldp, block[i]);
            else if (p + i < depth)
                store_first(panel + (p + i) * ldp, block[i], width);
    }
}

static void pack_transposed(real *panel, ptrdiff_t ldp, const real *b, ptrdiff_t stride, ptrdiff_t depth,
                            ptrdiff_t cols, ptrdiff_t width) {
    if (depth >= LANES && cols >= LANES)
        pack_blocks(panel, ldp, b, stride, 1, depth, LANES, LANES);
    else
        pack_blocks(panel, ldp, b, stride, 0, depth, cols, width);
}

/* panel[p] = the group's columns of b[p], vector by vector; elements of b lie b_row and b_col apart. */
static void pack_panel(real *panel, Group group, const real *b, ptrdiff_t b_row, ptrdiff_t b_col, ptrdiff_t depth) {
    if (b_col != 1) {
        for (int v = 0; v < group.vectors; v++)
            pack_transposed(panel + v * LANES, group.packed, b + vector_begin(group, v) * b_col, b_col, depth,
                            group.cols, group.packed);
        return;
    }
    for (ptrdiff_t p = 0; p < depth; p++, b += b_row, panel += group.packed)
        if (group.cols < LANES)
            store_first(panel, load_first(b, group.cols), group.packed);
        else
            for (int v = 0; v < group.vectors; v++) store(panel + v * LANES, load(b + vector_begin(group, v)));
}

#define STRIP 4 /* groups of two vectors that are packed at once, a whole number of cache lines */
#define STRIP_COLS (STRIP * 2 * LANES)
#define LINES_AHEAD 12

/* The panels of STRIP groups, one behind the other. */
static void pack_strip(real *panels, const real *b, ptrdiff_t b_row, ptrdiff_t depth) {
    for (ptrdiff_t p = 0; p < depth; p++, b += b_row, panels += 2 * LANES)
#pragma GCC unroll 4
        for (int i = 0; i < STRIP; i++) {
            const real *from = b + 2 * i * LANES;
            real *to = panels + i * depth * 2 * LANES;
            for (int line = 0; line < 2 * VEC_BYTES; line += 64)
                __builtin_prefetch((const char *)(from + LINES_AHEAD * b_row) + line);
            store(to, load(from));
            store(to + LANES, load(from + LANES));
        }
}

/* Rows so many elements apart lie in few sets of the caches, and push each other out. */
INLINE int shares_sets(ptrdiff_t stride) { return stride * (ptrdiff_t)sizeof(real) % 4096 == 0; }

/* A whose rows lie side by side (a_row is 1), tile by tile: for each p the `count` rows of a tile. Rows are dealt to
 * tiles as run_tiles deals them. */
static void pack_strided(real *packed, const real *a, ptrdiff_t a_col, ptrdiff_t rows, ptrdiff_t depth, int most) {
    const Deal dealt = deal(rows, most);
    for (ptrdiff_t begin = 0; begin < depth; begin += 8) { /* few enough to be read from where they lie at once */
        const ptrdiff_t steps = depth - begin < 8 ? depth - begin : 8;
        for (ptrdiff_t row = 0, k = 0; k < dealt.tiles; k++) {
            const ptrdiff_t count = dealt.rows + (k < dealt.more);
            const ptrdiff_t whole = (count + LANES - 1) / LANES * LANES;
            /* steps in whole vectors, whose surplus the next one overwrites */
            const ptrdiff_t quick = row + whole > rows ? 0 : begin + steps < depth ? steps : steps - 1;
            const real *from = a + row + begin * a_col;
            real *to = packed + row * depth + begin * count;
            for (ptrdiff_t p = 0; p < steps; p++, to += count, from += a_col)
                if (p < quick)
                    for (ptrdiff_t i = 0; i < whole; i += LANES) store(to + i, load(from + i));
                else
                    for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i];
            row += count;
        }
    }
}
