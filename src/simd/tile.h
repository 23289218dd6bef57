/* The register tile of the matrix product.
 *
 *   C[i, j] (+)= sum over p of A[i, p] B[p, j]      i < rows, j < vectors x LANES
 *
 * or the sum of such products of segments of A and B. The sum is one chain of multiply-adds in the order of segments
 * and p, whatever tile an element falls into. The last vector may overlap the one before it: both hold the
 * same bits.
 */
#define MOST_VECTORS 3
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

/* segments is NULL where A and B are one. */
INLINE void tile(const int rows, const int vectors, const Tile *t, real *c, const real *a,
                 const Segments *segments) {
    const ptrdiff_t a_row = t->a_row, a_col = t->a_col, ldb = t->ldb, ldc = t->ldc;
    const ptrdiff_t b_last = t->b_last, c_last = t->c_last;
    const int narrow = vectors == 1 && t->lanes < LANES;
    const real *third[MOST_ROWS / 3]; /* every third row of A: few registers reach all of them */
    vec acc[MOST_ROWS][MOST_VECTORS];
#define EACH_ROW _Pragma("GCC unroll 12") for (int i = 0; i < rows; i++)
#define EACH_THIRD _Pragma("GCC unroll 4") for (int i = 0; i < (rows + 2) / 3; i++)
#define EACH_VECTOR _Pragma("GCC unroll 3") for (int v = 0; v < vectors; v++)
#define COLUMN(v, last) ((v) == vectors - 1 ? (last) : (v) * LANES)
    EACH_ROW EACH_VECTOR acc[i][v] = all(0);
    if (t->init || t->from) {
        const real *start = t->from ? c + t->from : t->init;
        const ptrdiff_t next = t->from ? ldc : 0;
        EACH_ROW {
            if (narrow)
                acc[i][0] = load_first(start, t->lanes);
            else
                EACH_VECTOR acc[i][v] = load(start + COLUMN(v, c_last));
            start += next;
        }
    }

    for (ptrdiff_t s = 0; s < (segments ? segments->count : 1); s++) {
        const real *b = segments ? t->b + segments->b_place[s] * segments->b_step : t->b;
        const real *top = segments ? a + segments->a_place[s] * segments->a_step : a;
        EACH_THIRD third[i] = top + 3 * i * a_row;
        for (ptrdiff_t p = t->depth; p > 0; p--) {
            vec row[MOST_VECTORS];
            if (vectors == 1)
                row[0] = load_first(b, t->b_lanes);
            else
                EACH_VECTOR row[v] = load(b + COLUMN(v, b_last));
            EACH_ROW {
                const vec factor = all(third[i / 3][i % 3 * a_row]);
                EACH_VECTOR acc[i][v] += factor * row[v];
            }
            EACH_THIRD third[i] += a_col;
            b += ldb;
        }
    }

    c += t->to;
    if (narrow) {
        EACH_ROW {
            const vec sum = rounded(acc[i][0]);
            store_first(c, t->add ? load_first(c, t->lanes) + sum : sum, t->lanes);
            c += ldc;
        }
        return;
    }
    if (t->add) {
        const real *from = c;
        __asm__("" : "+r"(from)); /* else its rows' addresses are kept, and spilled, for the stores below */
        EACH_ROW {
            EACH_VECTOR acc[i][v] = load(from + COLUMN(v, c_last)) + rounded(acc[i][v]);
            from += ldc;
        }
    }
    EACH_ROW {
        EACH_VECTOR store(c + COLUMN(v, c_last), acc[i][v]);
        c += ldc;
    }
#undef EACH_ROW
#undef EACH_THIRD
#undef EACH_VECTOR
#undef COLUMN
}

#define TO_3(each, v) each(1, v) each(2, v) each(3, v)
#define TO_4(each, v) TO_3(each, v) each(4, v)
#define TO_6(each, v) TO_4(each, v) each(5, v) each(6, v)
#define TO_8(each, v) TO_6(each, v) each(7, v) each(8, v)
#define TO_12(each, v) TO_8(each, v) each(9, v) each(10, v) each(11, v) each(12, v)

/* As many sums as there are registers for, beside a row of B and a factor. */
#define TILES_OF_1(each) TO_12(each, 1)
#if VEC_BYTES == 64
#define TILES_OF_2(each) TO_12(each, 2)
#define TILES_OF_3(each) TO_8(each, 3)
#elif VEC_BYTES == 32
#define TILES_OF_2(each) TO_6(each, 2)
#define TILES_OF_3(each) TO_4(each, 3)
#else /* and one for the product, which is not fused */
#define TILES_OF_2(each) TO_6(each, 2)
#define TILES_OF_3(each) TO_3(each, 3)
#endif

#define TILE_KERNEL(rows, vectors)                                                                    \
    static void tile##rows##x##vectors(const Tile *t, real *c, const real *a) {                       \
        tile(rows, vectors, t, c, a, NULL);                                                           \
    }                                                                                                 \
    static void joint##rows##x##vectors(const Tile *t, real *c, const real *a, const Segments *s) {   \
        tile(rows, vectors, t, c, a, s);                                                              \
    }
TILES_OF_1(TILE_KERNEL) TILES_OF_2(TILE_KERNEL) TILES_OF_3(TILE_KERNEL)

#define TILE_NAME(rows, vectors) tile##rows##x##vectors,
#define JOINT_NAME(rows, vectors) joint##rows##x##vectors,
#define ONE_MORE(rows, vectors) +1

/* By vectors and rows, and how many rows there are. */
static const TileKernel tiles[MOST_VECTORS][MOST_ROWS] = {
    {TILES_OF_1(TILE_NAME)}, {TILES_OF_2(TILE_NAME)}, {TILES_OF_3(TILE_NAME)}};
static const JointKernel joints[MOST_VECTORS][MOST_ROWS] = {
    {TILES_OF_1(JOINT_NAME)}, {TILES_OF_2(JOINT_NAME)}, {TILES_OF_3(JOINT_NAME)}};
static const int tile_rows[MOST_VECTORS] = {TILES_OF_1(ONE_MORE), TILES_OF_2(ONE_MORE), TILES_OF_3(ONE_MORE)};
