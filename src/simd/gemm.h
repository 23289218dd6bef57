/* Matrix products over register tiles (tile.h).
 *
 * Rows of A are taken as many at once as stay in half of the second-level cache, and of B, for each block of depth,
 * groups of two or three vectors of columns. Where a group serves many tiles, or B is transposed, it is first copied to
 * a panel that stays in the first-level cache (panel.h); a B that serves many products is packed whole, once. A is
 * read where it lies, unless its rows are strided or share cache sets.
 */
#define PACK_ROWS 40  /* fewer rows than this read an untransposed B in place; bench/test_bench_kernels.py */
#define PACK_COLS 160 /* with fewer columns a strided A is read in place */
#define COPY_COLS 64  /* ... and one whose rows share sets */
#define BLOCK_ROWS 256 /* that pay for packing B once more, where they fit */

/* What is packed next: `count` runs of `bytes`, `stride` bytes apart. */
typedef struct {
    const char *begin;
    ptrdiff_t count, bytes, stride;
} Ahead;

/* Of the next block of depth what is copied of a strided A. */
static Ahead block_ahead(const Product *p, const vg_rows *rows, const Stretch *s, const real *a) {
    const ptrdiff_t begin = s->begin + s->depth, real_bytes = sizeof(real), left = p->depth - begin;
    return (Ahead){(const char *)(a + rows->begin + begin * p->a_col), left < VG_DEPTH_BLOCK ? left : VG_DEPTH_BLOCK,
                   (rows->end - rows->begin) * real_bytes, p->a_col * real_bytes};
}

/* The panel of the columns from `col` on, unless it would push out what is in use. */
static Ahead panel_ahead(const Product *p, const Stretch *s, ptrdiff_t col) {
    const ptrdiff_t real_bytes = sizeof(real);
    if (col >= p->cols || (p->b_col == 1 && shares_sets(p->b_row))) return (Ahead){0};
    const ptrdiff_t cols = group_of(p->cols - col).cols;
    const char *next = (const char *)(p->b + s->begin * p->b_row + col * p->b_col);
    return p->b_col == 1 ? (Ahead){next, s->depth, cols * real_bytes, p->b_row * real_bytes}
                         : (Ahead){next, cols, s->depth * real_bytes, p->b_col * real_bytes};
}

/* C[:, group] (+)= A B[:, group]: the rows of a timestep are dealt evenly to the fewest tiles that hold them. Between
 * tiles the caches are asked for a share of what is packed next; bench/test_bench_kernels.py. */
static void run_tiles(Tile tile, const TileKernel *kernels, ptrdiff_t most, int strided,
                      const vg_rows *rows, const real *a, real *c, Ahead ahead) {
    Deal dealt = deal(rows->end - rows->begin, most);
    const ptrdiff_t share = ahead.count ? ahead.count / (dealt.tiles * rows->times) + 1 : 0;
    ptrdiff_t asked = 0;
    for (ptrdiff_t t = 0; t < rows->times; t++) {
        ptrdiff_t row = t * rows->stride + rows->begin;
        if (rows->ends) dealt = deal(rows->ends[t] - rows->begin, most);
        for (ptrdiff_t k = 0; k < dealt.tiles; k++) {
            const ptrdiff_t some = dealt.rows + (k < dealt.more);
            if (strided) tile.a_col = some;
            kernels[some - 1](&tile, c + row * tile.ldc,
                              a + (strided ? (row - rows->begin) * tile.depth : row * tile.a_row));
            row += some;
            for (const ptrdiff_t stop = asked + share; asked < stop && asked < ahead.count; asked++)
                for (ptrdiff_t byte = 0; byte < ahead.bytes; byte += 64)
                    __builtin_prefetch(ahead.begin + asked * ahead.stride + byte, 0, 2);
        }
    }
}

/* The rows of A at one block of depth, where they are copied. */
static void copy_rows(real *copy, ptrdiff_t ld, const real *a, ptrdiff_t a_row, const vg_rows *rows, ptrdiff_t depth) {
    for (ptrdiff_t r = 0; r < rows->end - rows->begin; r++)
        memcpy(copy + r * ld, a + (rows->begin + r) * a_row, depth * sizeof(real));
}

/* One block of rows and of depth: a, c and the rows' numbers are those of its first timestep. */
static void multiply_block(const Product *p, const vg_rows *rows, const Stretch *s, const real *a, real *c) {
    real *const block = (real *)vg_scratch.block, *const panels = (real *)vg_scratch.panels;
    const ptrdiff_t count = rows->times * (rows->end - rows->begin);
    const int packing = !p->prepacked && (p->b_col != 1 || count >= PACK_ROWS);
    const int few = !packing && !p->prepacked && rows->end - rows->begin <= tile_rows[MOST_VECTORS - 1];
    const int strided = p->a_row == 1 && p->a_col != 1 && p->cols >= PACK_COLS && !few;
    const int copying = p->a_col == 1 && rows->times == 1 && shares_sets(p->a_row) && p->cols >= COPY_COLS;
    Tile tile = {
        .ldc = p->ldc, .a_row = p->a_row, .a_col = p->a_col, .depth = s->depth,
        .from = s->from, .to = s->to, .add = s->add,
    };
    const real *const first_a = a;
    a += s->begin * p->a_col;
    if (copying) {
        tile.a_row = s->depth + LANES;
        copy_rows(block, tile.a_row, a, p->a_row, rows, s->depth);
        a = block - rows->begin * tile.a_row;
    } else if (strided) {
        pack_strided(block, a + rows->begin, p->a_col, count, s->depth, tile_rows[1]);
        tile.a_row = 1;
        a = block;
    }
    ptrdiff_t strip_end = 0; /* behind the columns whose panels are there */
    for (ptrdiff_t col = 0; col < p->cols;) {
        const ptrdiff_t left = p->cols - col;
        Group group = group_of(left);
        if (strided && group.vectors == 3) group = group_of_vectors(2, left); /* A is packed for such tiles */
        if (few && left >= MOST_VECTORS * LANES) group = group_of_vectors(MOST_VECTORS, left);
        const real *b = p->b + s->begin * p->b_row + col * p->b_col;
        tile.init = p->init && s->begin == 0 ? p->init + col : NULL;
        tile.b_last = group.packed - LANES;
        tile.c_last = group.cols - LANES;
        tile.lanes = group.cols;
        tile.ldb = group.packed;
        tile.b_lanes = LANES;
        if (p->prepacked)
            tile.b = p->b + p->depth * col + s->begin * group.packed;
        else if (!packing) {
            tile.b = b;
            tile.ldb = p->b_row;
            tile.b_last = tile.c_last;
            tile.b_lanes = group.cols;
        } else if (col < strip_end)
            tile.b += s->depth * group.packed;
        else if (p->b_col == 1 && (left == STRIP_COLS || left >= STRIP_COLS + 2 * LANES)) {
            pack_strip(panels, b, p->b_row, s->depth);
            tile.b = panels;
            strip_end = col + STRIP_COLS;
        } else {
            pack_panel(panels, group, b, p->b_row, p->b_col, s->depth);
            tile.b = panels;
        }
        const ptrdiff_t next = col < strip_end ? col + STRIP_COLS : col + group.cols;
        run_tiles(tile, group.tiles, strided ? tile_rows[1] : group.most_rows, strided, rows, a, c + col,
                  strided && col + group.cols >= p->cols ? block_ahead(p, rows, s, first_a)
                  : packing                              ? panel_ahead(p, s, next)
                                                         : (Ahead){0});
        col += group.cols;
    }
}

static void multiply_rows(const Product *p, const vg_rows *rows, const real *a, real *c) {
    ptrdiff_t begin = 0;
    do {
        const Stretch stretch = stretch_at(p, begin);
        multiply_block(p, rows, &stretch, a, c);
        begin += stretch.depth;
    } while (begin < p->depth);
}

/* How many rows of A, a block deep, and of C half of the second-level cache holds. */
static ptrdiff_t rows_in_cache(const Product *p) {
    const ptrdiff_t depth = p->depth < 1 ? 1 : p->depth < VG_DEPTH_BLOCK ? p->depth : VG_DEPTH_BLOCK;
    const ptrdiff_t elements = vg_block_bytes / (ptrdiff_t)sizeof(real), alone = elements / (depth + LANES);
    const ptrdiff_t both = elements / (depth + p->cols), least = alone < BLOCK_ROWS ? alone : BLOCK_ROWS;
    return both > least ? both : least > 1 ? least : 1;
}

/* C = init (or 0, or C where `add`) + A B, as many whole timesteps at once, or rows of one, as the cache holds. */
static void multiply(const Product *p) {
    const ptrdiff_t each = p->rows.end - p->rows.begin, real_bytes = sizeof(real);
    if (each <= 0 || p->rows.times <= 0 || multiply_narrow(p)) return;
    if (each * p->rows.times * (p->depth + p->cols) * real_bytes <= vg_block_bytes) {
        multiply_rows(p, &p->rows, p->a, p->c);
        return;
    }
    const ptrdiff_t most = rows_in_cache(p), times = each < most ? most / each : 1;
    for (ptrdiff_t t = 0; t < p->rows.times; t += times) {
        const real *a = p->a + t * p->rows.stride * p->a_row;
        real *c = p->c + t * p->rows.stride * p->ldc;
        vg_rows rows = p->rows;
        rows.times = p->rows.times - t < times ? p->rows.times - t : times;
        if (rows.ends) rows.ends += t;
        if (each <= most) {
            multiply_rows(p, &rows, a, c);
            continue;
        }
        const ptrdiff_t end = rows_end(&p->rows, t);
        rows.ends = NULL;
        for (ptrdiff_t left = (end - rows.begin + most - 1) / most; left > 0; left--, rows.begin = rows.end) {
            rows.end = rows.begin + (end - rows.begin + left - 1) / left;
            multiply_rows(p, &rows, a, c);
        }
    }
}

static void pack(void *packed_, vg_matrix w, ptrdiff_t rows, int transposed) {
    real *packed = packed_;
    const ptrdiff_t depth = transposed ? w.cols : rows, cols = transposed ? rows : w.cols;
    const ptrdiff_t row = transposed ? 1 : w.ld, step = transposed ? w.ld : 1;
    for (ptrdiff_t col = 0; col < cols;) {
        const Group group = group_of(cols - col);
        pack_panel(packed, group, (const real *)w.data + col * step, row, step, depth);
        col += group.cols;
        packed += depth * group.packed;
    }
}

/* All rows as one timestep where they lie without gaps. */
INLINE vg_rows flat(const vg_rows *rows) {
    if (rows->ends || rows->begin > 0 || rows->end < rows->stride) return *rows;
    return (vg_rows){.end = rows->times * rows->stride, .stride = rows->times * rows->stride, .times = 1};
}

static void affine(vg_matrix y, vg_matrix x, vg_matrix w, const void *b, int add, const vg_rows *rows) {
    multiply(&(Product){
        .c = y.data, .ldc = y.ld,
        .a = x.data, .a_row = x.ld, .a_col = 1,
        .b = w.data, .b_row = w.ld, .b_col = 1,
        .init = b, .add = add,
        .rows = flat(rows), .cols = y.cols, .depth = x.cols,
    });
}

static void affine_packed(vg_matrix y, vg_matrix x, const void *packed, const void *b, int add,
                          const vg_rows *rows) {
    multiply(&(Product){
        .c = y.data, .ldc = y.ld,
        .a = x.data, .a_row = x.ld, .a_col = 1,
        .b = packed, .prepacked = 1,
        .init = b, .add = add,
        .rows = flat(rows), .cols = y.cols, .depth = x.cols,
    });
}

static void affine_input(vg_matrix dx, vg_matrix dy, vg_matrix w, int add, const vg_rows *rows) {
    multiply(&(Product){
        .c = dx.data, .ldc = dx.ld,
        .a = dy.data, .a_row = dy.ld, .a_col = 1,
        .b = w.data, .b_row = 1, .b_col = w.ld,
        .add = add,
        .rows = flat(rows), .cols = dx.cols, .depth = dy.cols,
    });
}

static void affine_weight(vg_matrix dw, vg_matrix x, vg_matrix dy, const vg_span *span, ptrdiff_t in0,
                          ptrdiff_t in1) {
    const ptrdiff_t last = span->rows - 1;
    if (dw.cols == 1 && dw.ld == 1) { /* a column, which is the row of dy^T x */
        sum_rows((real *)dw.data + in0, (vg_matrix){(real *)x.data + in0, x.ld, in1 - in0}, &dy, span);
        return;
    }
    multiply(&(Product){
        .c = dw.data, .ldc = dw.ld,
        .a = (const real *)x.data + last * x.ld, .a_row = 1, .a_col = -x.ld,
        .b = (const real *)dy.data + last * dy.ld, .b_row = -dy.ld, .b_col = 1,
        .span = span,
        .rows = {.begin = in0, .end = in1, .times = 1, .stride = in1}, .cols = dw.cols, .depth = span->rows,
    });
}

static void column_sums(void *db, vg_matrix dy, const vg_span *span, ptrdiff_t col0, ptrdiff_t col1) {
    sum_rows((real *)db + col0, (vg_matrix){(real *)dy.data + col0, dy.ld, col1 - col0}, NULL, span);
}
