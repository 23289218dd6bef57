/* Products of one row, and of few columns: their operands are read as they lie, and once.
 *
 * Sums have the order that tiles give them, and the same bits.
 */
#define SUM_COLS (128 * LANES) /* of B, summed at once: runs of rows that are long enough to be fetched ahead */
#define SUM_ROWS 4            /* that a sum in memory takes in between being read and written */

/* To the sums of n columns `rows` rows of b, each times its factor or, where there is none, itself. */
INLINE void add_rows(vec *sum, const real *b, ptrdiff_t b_row, const ptrdiff_t rows, ptrdiff_t n, const real *factor,
                     ptrdiff_t step) {
    vec factors[SUM_ROWS];
    ptrdiff_t j = 0;
    for (ptrdiff_t r = 0; r < rows; r++) factors[r] = factor ? all(factor[r * step]) : all(1);
#define ADD(v) *sum = factor ? *sum + factors[r] * (v) : *sum + (v)
    for (; j + LANES <= n; j += LANES, sum++)
        for (ptrdiff_t r = 0; r < rows; r++) ADD(load(b + r * b_row + j));
    if (j < n)
        for (ptrdiff_t r = 0; r < rows; r++) ADD(load_first(b + r * b_row + j, n - j));
#undef ADD
}

INLINE void add_block(vec *sum, const real *b, ptrdiff_t b_row, ptrdiff_t depth, ptrdiff_t n, const real *factor,
                      ptrdiff_t step) {
    ptrdiff_t r = 0;
    for (; r + SUM_ROWS <= depth; r += SUM_ROWS)
        add_rows(sum, b + r * b_row, b_row, SUM_ROWS, n, factor ? factor + r * step : NULL, step);
    for (; r < depth; r++) add_rows(sum, b + r * b_row, b_row, 1, n, factor ? factor + r * step : NULL, step);
}

/* C of one row; a is NULL where each factor is 1. */
static void multiply_row(const Product *p) {
    real *const c = p->c + p->rows.begin * p->ldc;
    const real *const a = p->a ? p->a + p->rows.begin * p->a_row : NULL;
    vec sum[SUM_COLS / LANES];
    for (ptrdiff_t col = 0; col < p->cols; col += SUM_COLS) {
        const ptrdiff_t n = p->cols - col < SUM_COLS ? p->cols - col : SUM_COLS;
        ptrdiff_t begin = 0;
        do {
            const Stretch s = stretch_at(p, begin);
            const real *b = p->b + begin * p->b_row + col;
            const real *start = s.from ? c + s.from + col : p->init && begin == 0 ? p->init + col : NULL;
            for (ptrdiff_t j = 0; j < n; j += LANES)
                sum[j / LANES] = start ? load_first(start + j, n - j) : all(0);
            if (a)
                add_block(sum, b, p->b_row, s.depth, n, a + begin * p->a_col, p->a_col);
            else
                add_block(sum, b, p->b_row, s.depth, n, NULL, 0);
            for (ptrdiff_t j = 0; j < n; j += LANES) {
                if (s.add) sum[j / LANES] += load_first(c + col + j, n - j);
                store_first(c + s.to + col + j, sum[j / LANES], n - j);
            }
            begin += s.depth;
        } while (begin < p->depth);
    }
}

/* The sums of the columns of b over a span, of its rows times those of a column `factors`, if there is one. */
static void sum_rows(real *c, vg_matrix b, const vg_matrix *factors, const vg_span *span) {
    const ptrdiff_t last = span->rows - 1;
    multiply_row(&(Product){
        .c = c, .ldc = b.cols,
        .a = factors ? (const real *)factors->data + last * factors->ld : NULL,
        .a_row = 1, .a_col = factors ? -factors->ld : 0,
        .b = (const real *)b.data + last * b.ld, .b_row = -b.ld, .b_col = 1,
        .span = span,
        .rows = {.begin = 0, .end = 1, .times = 1, .stride = 1}, .cols = b.cols, .depth = span->rows,
    });
}

#define MOST_NARROW 4 /* columns */

/* A whose rows are contiguous, and of B and C few columns. */
typedef struct {
    const real *a, *b, *init;
    real *c;
    ptrdiff_t a_row, b_row, b_col, c_row, c_col, rows, depth;
    int add;
} Narrow;

/* To the sums of so many rows, a lane each, `depth` terms: squares of A through registers. */
INLINE void add_squares(vec *sum, const real *a, ptrdiff_t a_row, const real *b, ptrdiff_t b_row, ptrdiff_t b_col,
                        ptrdiff_t depth, const ptrdiff_t cols) {
    vec square[LANES];
    ptrdiff_t k = 0;
    for (; k + LANES <= depth; k += LANES) {
#pragma GCC unroll 16
        for (ptrdiff_t i = 0; i < LANES; i++) square[i] = load(a + i * a_row + k);
        transpose(square);
#pragma GCC unroll 16
        for (ptrdiff_t i = 0; i < LANES; i++)
            for (ptrdiff_t j = 0; j < cols; j++) sum[j] += square[i] * b[(k + i) * b_row + j * b_col];
    }
    if (k == depth) return;
    for (ptrdiff_t i = 0; i < LANES; i++) square[i] = load_first(a + i * a_row + k, depth - k);
    transpose(square);
    for (ptrdiff_t i = 0; k + i < depth; i++)
        for (ptrdiff_t j = 0; j < cols; j++) sum[j] += square[i] * b[(k + i) * b_row + j * b_col];
}

INLINE void multiply_columns(const Narrow *p, const ptrdiff_t cols) {
    vec sum[MOST_NARROW];
    for (ptrdiff_t begin = 0; begin < p->rows; begin += LANES) {
        const ptrdiff_t row = begin + LANES <= p->rows ? begin : p->rows - LANES; /* the last overlap those before */
        ptrdiff_t term = 0;
        do {
            const ptrdiff_t depth = p->depth - term < VG_DEPTH_BLOCK ? p->depth - term : VG_DEPTH_BLOCK;
            for (ptrdiff_t j = 0; j < cols; j++) sum[j] = p->init && term == 0 ? all(p->init[j]) : all(0);
            add_squares(sum, p->a + row * p->a_row + term, p->a_row, p->b + term * p->b_row, p->b_row, p->b_col, depth,
                        cols);
            for (ptrdiff_t j = 0; j < cols; j++)
                for (ptrdiff_t i = begin - row; i < LANES; i++) {
                    real *c = p->c + (row + i) * p->c_row + j * p->c_col;
                    *c = p->add || term > 0 ? *c + sum[j][i] : sum[j][i];
                }
            term += depth;
        } while (term < p->depth);
    }
}

/* Whether C is of one row or of few columns, or its transpose is: then it is made here. */
static int multiply_narrow(const Product *p) {
    const ptrdiff_t rows = p->rows.end - p->rows.begin;
    if (p->prepacked || p->rows.times != 1 || p->rows.ends) return 0;
    if (rows == 1 && p->b_col == 1) {
        multiply_row(p);
        return 1;
    }
    const real *a = p->a + p->rows.begin * p->a_row;
    real *c = p->c + p->rows.begin * p->ldc;
    Narrow narrow;
    ptrdiff_t cols = p->cols;
    if (p->span) return 0;
    if (cols <= MOST_NARROW && rows >= LANES && p->a_col == 1)
        narrow = (Narrow){.a = a, .b = p->b, .init = p->init, .c = c, .a_row = p->a_row, .b_row = p->b_row,
                          .b_col = p->b_col, .c_row = p->ldc, .c_col = 1, .rows = rows, .depth = p->depth,
                          .add = p->add};
    else if (rows <= MOST_NARROW && cols >= LANES && p->b_row == 1 && !p->init) {
        narrow = (Narrow){.a = p->b, .b = a, .c = c, .a_row = p->b_col, .b_row = p->a_col, .b_col = p->a_row,
                          .c_row = 1, .c_col = p->ldc, .rows = cols, .depth = p->depth, .add = p->add};
        cols = rows;
    } else
        return 0;
    switch (cols) {
    case 1: multiply_columns(&narrow, 1); break;
    case 2: multiply_columns(&narrow, 2); break;
    case 3: multiply_columns(&narrow, 3); break;
    default: multiply_columns(&narrow, MOST_NARROW);
    }
    return 1;
}
