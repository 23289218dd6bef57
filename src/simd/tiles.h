/* The register tiles there are, by vectors and rows, and how columns and rows are dealt to them. */
#define MOST_VECTORS 4
#define MOST_JOINED 3 /* vectors of a joint product's tile */
#define MOST_ROWS 12

typedef struct {
    const real *b, *init; /* init: (cols,) the value every sum starts from, or NULL */
    ptrdiff_t ldb, ldc, a_row, a_col, depth;
    ptrdiff_t b_last, c_last; /* columns of B and of C where the last vector begins */
    ptrdiff_t lanes, b_lanes; /* of C and of B that there are in a tile of one vector */
    ptrdiff_t from, to;       /* behind C: where sums go on from, or 0; where they are left */
    int add;                  /* to what is in C */
} Tile;

/* Of a joint product: each as deep as the tile, at a_place[s] a_step of A and b_place[s] b_step of B. */
typedef struct {
    ptrdiff_t count;
    const int32_t *a_place, *b_place;
    ptrdiff_t a_step, b_step;
} Segments;

typedef void (*TileKernel)(const Tile *, real *c, const real *a);
typedef void (*JointKernel)(const Tile *, real *c, const real *a, const Segments *);

#define TO_3(each, v) each(1, v) each(2, v) each(3, v)
#define TO_4(each, v) TO_3(each, v) each(4, v)
#define TO_6(each, v) TO_4(each, v) each(5, v) each(6, v)
#define TO_8(each, v) TO_6(each, v) each(7, v) each(8, v)
#define TO_12(each, v) TO_8(each, v) each(9, v) each(10, v) each(11, v) each(12, v)

/* As many sums as there are registers for, beside a row of B and a factor. */
#define TILES_OF_1(each) TO_12(each, 1)
#if VECTOR_REGISTERS == 32
#define TILES_OF_2(each) TO_12(each, 2)
#define TILES_OF_3(each) TO_8(each, 3)
#elif VEC_BYTES == 32
#define TILES_OF_2(each) TO_6(each, 2)
#define TILES_OF_3(each) TO_4(each, 3)
#else /* and one for the product, which is not fused */
#define TILES_OF_2(each) TO_6(each, 2)
#define TILES_OF_3(each) TO_3(each, 3)
#endif
#define TILES_OF_4(each) TO_3(each, 4) /* for as few rows as are all there are */
#define ONE_MORE(rows, vectors) +1
static const int tile_rows[MOST_VECTORS] = {
    TILES_OF_1(ONE_MORE), TILES_OF_2(ONE_MORE), TILES_OF_3(ONE_MORE), TILES_OF_4(ONE_MORE)};

#if VEC_BYTES == 64
typedef real half_vec __attribute__((vector_size(32)));
INLINE half_vec load_first_half(const real *p, ptrdiff_t n) {
#if REAL_BITS == 32
    return (half_vec)_mm256_maskz_loadu_ps((__mmask8)((1u << n) - 1), p);
#else
    return (half_vec)_mm256_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#endif
}
INLINE void store_first_half(real *p, half_vec v, ptrdiff_t n) {
#if REAL_BITS == 32
    _mm256_mask_storeu_ps(p, (__mmask8)((1u << n) - 1), (__m256)v);
#else
    _mm256_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m256d)v);
#endif
}
#define TILE_BYTES 32
#include "tile.h"
#endif
#define TILE_BYTES VEC_BYTES
#include "tile.h"

/* Columns that are multiplied together: two vectors while there are more than three, then what is left. The last vector
 * overlaps the one before it where the columns end within it. What half of a vector holds gets no more. */
typedef struct {
    const TileKernel *tiles; /* by rows */
    const JointKernel *joints;
    int vectors, most_rows;
    ptrdiff_t cols, packed; /* columns covered, and columns of a panel, where vectors do not overlap */
} Group;

INLINE Group group_of_vectors(int vectors, ptrdiff_t cols) {
    const ptrdiff_t packed = vectors * LANES;
#if VEC_BYTES == 64
    if (cols <= LANES / 2) return (Group){half_tiles, half_joints, 1, tile_rows[0], cols, LANES / 2};
#endif
    return (Group){tiles[vectors - 1], vectors > MOST_JOINED ? NULL : joints[vectors - 1], vectors, tile_rows[vectors - 1],
                   packed < cols ? packed : cols, packed};
}

static Group group_of(ptrdiff_t cols) {
    const ptrdiff_t rest = cols % LANES;
    const int halved = VEC_BYTES == 64 && rest > 0 && rest <= LANES / 2;
    const ptrdiff_t whole = cols / LANES + (rest > 0 && !halved);
    return group_of_vectors(whole == 1 || whole == 3 ? (int)whole : 2, cols);
}

/* Rows dealt evenly to the fewest tiles that hold them: the first `more` get one more than `rows`. */
typedef struct {
    ptrdiff_t tiles, rows, more;
} Deal;

INLINE Deal deal(ptrdiff_t rows, ptrdiff_t most) {
    if (rows <= most) return (Deal){rows > 0, rows, 0};
    const ptrdiff_t tiles = (rows + most - 1) / most, each = rows / tiles;
    return (Deal){tiles, each, rows - each * tiles};
}
