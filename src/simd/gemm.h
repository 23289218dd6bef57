/* Matrix products over register tiles (tile.h).
 *
 * B is walked in groups of up to two vectors of columns. Where a group is used by many row tiles, or B is
 * transposed, it is first copied to a contiguous panel of PANEL_DEPTH rows that stays in the first-level
 * cache; a B that serves many products is packed whole, once. A is read where it lies. The last vector of a
 * group may overlap the one before it: both compute the same bits, and no product needs masks or padding.
 */
#define PANEL_DEPTH 256
#define PACK_ROWS 40 /* fewer rows than this read an untransposed B in place; bench/test_bench_kernels.py */

#if VEC_BYTES == 64
#define TILE_ROWS 12
#else
#define TILE_ROWS 6
#endif

typedef struct {
    const real *a, *b, *init; /* init: (cols,) the value every row of C starts from, or NULL */
    real *c;
    ptrdiff_t a_row, a_col, b_row, b_col, ldc;
    ptrdiff_t cols, depth;
    vg_rows rows;
    int add, prepacked; /* prepacked: b is what pack_whole made */
} Product;

typedef struct {
    const real *b, *init;
    ptrdiff_t ldb, ldc, a_row, a_col, depth;
    ptrdiff_t last; /* column of the last vector */
    int add;
} Tile;

/* Of a joint product: each as deep as the tile, at a_place[s] a_step of A and b_place[s] b_step of B. */
typedef struct {
    ptrdiff_t count;
    const int32_t *a_place, *b_place;
    ptrdiff_t a_step, b_step;
} Segments;

typedef void (*TileKernel)(const Tile *, real *c, const real *a);
typedef void (*JointKernel)(const Tile *, real *c, const real *a, const Segments *);

#if VEC_BYTES >= 64
#define TILE_BYTES 64
#include "tile.h"
#endif
#if VEC_BYTES >= 32
#define TILE_BYTES 32
#include "tile.h"
#endif
#define TILE_BYTES 16
#include "tile.h"
#if REAL_BITS == 32
#define TILE_BYTES 4
#else
#define TILE_BYTES 8
#endif
#include "tile.h"

/* The widest tile of at most `cols` columns: its bytes, and its kernels by vectors and rows. */
typedef struct {
    ptrdiff_t lanes;
    const TileKernel (*kernels)[TILE_ROWS];
    const JointKernel (*joint)[TILE_ROWS];
} TileWidth;

static TileWidth tile_width(ptrdiff_t cols) {
#if VEC_BYTES >= 64
    if (cols >= 64 / (ptrdiff_t)sizeof(real)) return (TileWidth){64 / sizeof(real), tiles64, joints64};
#endif
#if VEC_BYTES >= 32
    if (cols >= 32 / (ptrdiff_t)sizeof(real)) return (TileWidth){32 / sizeof(real), tiles32, joints32};
#endif
    if (cols >= 16 / (ptrdiff_t)sizeof(real)) return (TileWidth){16 / sizeof(real), tiles16, joints16};
#if REAL_BITS == 32
    return (TileWidth){1, tiles4, joints4};
#else
    return (TileWidth){1, tiles8, joints8};
#endif
}

/* Up to two vectors of columns that are multiplied together. */
typedef struct {
    TileWidth width;
    int vectors;
    ptrdiff_t cols, packed; /* columns covered, and columns of the panel, where vectors do not overlap */
} Group;

static Group group_of(ptrdiff_t cols) {
    const TileWidth width = tile_width(cols);
    const int vectors = cols > width.lanes ? 2 : 1;
    const ptrdiff_t packed = vectors * width.lanes;
    return (Group){width, vectors, packed < cols ? packed : cols, packed};
}

/* rows[] of LANES vectors each, transposed in place: log2(LANES) rounds of interleaving halves. */
INLINE void transpose(vec rows[]) {
    mask low, high;
    for (int i = 0; i < LANES; i++) {
        low[i] = i / 2 + (i % 2) * LANES;
        high[i] = low[i] + LANES / 2;
    }
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
        vec next[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shuffle(rows[i], rows[i + LANES / 2], low);
            next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + LANES / 2], high);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) rows[i] = next[i];
    }
}

/* panel[p, j] = b[j * stride + p]: LANES x LANES blocks through registers, overlapping at both ends. */
static void pack_transposed(real *panel, ptrdiff_t ldp, const real *b, ptrdiff_t stride, ptrdiff_t depth,
                            ptrdiff_t cols) {
    if (depth < LANES || cols < LANES) {
        for (ptrdiff_t j = 0; j < cols; j++)
            for (ptrdiff_t p = 0; p < depth; p++) panel[p * ldp + j] = b[j * stride + p];
        return;
    }
    for (ptrdiff_t column = 0; column < cols; column += LANES) {
        const ptrdiff_t j = column + LANES <= cols ? column : cols - LANES;
        for (ptrdiff_t row = 0; row < depth; row += LANES) {
            const ptrdiff_t p = row + LANES <= depth ? row : depth - LANES;
            vec block[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) block[i] = load(b + (j + i) * stride + p);
            transpose(block);
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) store(panel + (p + i) * ldp + j, block[i]);
        }
    }
}

/* panel[p, j] = b[p * stride + j] */
static void pack_rows(real *panel, ptrdiff_t ldp, const real *b, ptrdiff_t stride, ptrdiff_t depth,
                 ptrdiff_t cols) {
    for (ptrdiff_t p = 0; p < depth; p++) {
        if (cols >= LANES) { /* one or two vectors, which may overlap */
            store(panel + p * ldp, load(b + p * stride));
            store(panel + p * ldp + cols - LANES, load(b + p * stride + cols - LANES));
        } else {
            for (ptrdiff_t j = 0; j < cols; j++) panel[p * ldp + j] = b[p * stride + j];
        }
    }
}

/* What is packed next: `count` runs of `bytes`, `stride` bytes apart. */
typedef struct {
    const char *begin;
    ptrdiff_t count, bytes, stride;
} Ahead;

/* C[:, group] (+)= A B[:, group]: the rows of a timestep are dealt evenly to the fewest tiles that hold them.
 * Between tiles the caches are asked for a share of what is packed next; bench/test_bench_kernels.py. */
static void run_tiles(Tile tile, const TileKernel kernels[TILE_ROWS], const Product *p, const real *a,
                      real *c, Ahead ahead) {
    const ptrdiff_t most = (p->rows.end - p->rows.begin + TILE_ROWS - 1) / TILE_ROWS * p->rows.times;
    const ptrdiff_t share = (ahead.count + most - 1) / most;
    ptrdiff_t asked = 0;
    for (ptrdiff_t t = 0; t < p->rows.times; t++) {
        ptrdiff_t row = t * p->rows.stride + p->rows.begin;
        const ptrdiff_t end = t * p->rows.stride + rows_end(&p->rows, t);
        for (ptrdiff_t tiles = (end - row + TILE_ROWS - 1) / TILE_ROWS; tiles > 0; tiles--) {
            const ptrdiff_t rows = (end - row + tiles - 1) / tiles;
            kernels[rows - 1](&tile, c + row * p->ldc, a + row * p->a_row);
            row += rows;
            for (const ptrdiff_t stop = asked + share; asked < stop && asked < ahead.count; asked++)
                for (ptrdiff_t byte = 0; byte < ahead.bytes; byte += 64)
                    __builtin_prefetch(ahead.begin + asked * ahead.stride + byte, 0, 2);
        }
    }
}

/* The panel behind depth `begin` of columns [col, col + cols): deeper, or the top of the next columns. */
static Ahead panel_ahead(const Product *p, ptrdiff_t begin, ptrdiff_t col, ptrdiff_t cols) {
    if (begin >= p->depth) {
        begin = 0;
        col += cols;
    }
    const ptrdiff_t depth = p->depth - begin < PANEL_DEPTH ? p->depth - begin : PANEL_DEPTH;
    if (cols > p->cols - col) cols = p->cols - col;
    if (cols <= 0) return (Ahead){0};
    const char *next = (const char *)(p->b + begin * p->b_row + col * p->b_col);
    const ptrdiff_t real_bytes = sizeof(real);
    return p->b_col == 1 ? (Ahead){next, depth, cols * real_bytes, p->b_row * real_bytes}
                         : (Ahead){next, cols, depth * real_bytes, p->b_col * real_bytes};
}

/* C = init (or 0, or C where `add`) + A B. */
static void multiply(const Product *p) {
    _Alignas(64) real panel[PANEL_DEPTH * 2 * LANES];
    const ptrdiff_t count = p->rows.times * (p->rows.end - p->rows.begin);
    const int packing = !p->prepacked && (p->b_col != 1 || count >= PACK_ROWS);
    const ptrdiff_t step = packing || p->prepacked ? PANEL_DEPTH : p->depth;
    const real *prepacked = p->b;
    if (count <= 0) return;
    for (ptrdiff_t col = 0; col < p->cols;) {
        const Group group = group_of(p->cols - col);
        ptrdiff_t begin = 0;
        do {
            const ptrdiff_t depth = p->depth - begin < step ? p->depth - begin : step;
            const real *b = p->b + begin * p->b_row + col * p->b_col;
            Tile tile = {
                .b = b,
                .init = p->init ? p->init + col : NULL,
                .ldb = p->b_row,
                .ldc = p->ldc,
                .a_row = p->a_row,
                .a_col = p->a_col,
                .depth = depth,
                .last = group.cols - group.width.lanes,
                .add = p->add || begin > 0,
            };
            if (packing) {
                tile.b = panel;
                tile.ldb = group.packed;
                if (p->b_col != 1)
                    pack_transposed(panel, tile.ldb, b, p->b_col, depth, group.cols);
                else
                    pack_rows(panel, tile.ldb, b, p->b_row, depth, group.cols);
            } else if (p->prepacked) {
                tile.b = prepacked + begin * group.packed;
                tile.ldb = group.packed;
            }
            begin += depth;
            run_tiles(tile, group.width.kernels[group.vectors - 1], p, p->a + (begin - depth) * p->a_col,
                      p->c + col, packing ? panel_ahead(p, begin, col, group.cols) : (Ahead){0});
        } while (begin < p->depth);
        col += group.cols;
        prepacked += p->depth * group.packed;
    }
}

static void pack(void *packed_, vg_matrix w, ptrdiff_t rows, int transposed) {
    real *packed = packed_;
    const ptrdiff_t depth = transposed ? w.cols : rows, cols = transposed ? rows : w.cols;
    for (ptrdiff_t col = 0; col < cols;) {
        const Group group = group_of(cols - col);
        if (transposed)
            pack_transposed(packed, group.packed, (const real *)w.data + col * w.ld, w.ld, depth, group.cols);
        else
            pack_rows(packed, group.packed, (const real *)w.data + col, w.ld, depth, group.cols);
        col += group.cols;
        packed += depth * group.packed;
    }
}

/* All rows as one timestep where they lie without gaps. */
INLINE vg_rows flat(const vg_rows *rows) {
    if (rows->ends || rows->begin > 0 || rows->end < rows->stride) return *rows;
    return (vg_rows){.end = rows->times * rows->stride, .times = 1};
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

static void affine_weight(vg_matrix dw, vg_matrix x, vg_matrix dy, int add, ptrdiff_t rows, ptrdiff_t in0,
                          ptrdiff_t in1) {
    multiply(&(Product){
        .c = dw.data, .ldc = dw.ld,
        .a = (const real *)x.data + (rows - 1) * x.ld, .a_row = 1, .a_col = -x.ld,
        .b = (const real *)dy.data + (rows - 1) * dy.ld, .b_row = -dy.ld, .b_col = 1,
        .add = add,
        .rows = {.begin = in0, .end = in1, .times = 1}, .cols = dw.cols, .depth = rows,
    });
}
