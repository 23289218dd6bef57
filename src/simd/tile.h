/* The register tile of the matrix product at one vector width; tiles.h includes this once per TILE_BYTES.
 *
 *   C[i, j] (+)= sum over p of A[i, p] B[p, j]      i < rows, j < vectors x TILE_LANES
 *
 * or the sum of such products of segments of A and B. The sum is one chain of multiply-adds in the order of segments
 * and p, whatever tile an element falls into. The last vector may overlap the one before it: both hold the
 * same bits.
 */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define SIZED(name) JOIN(name, TILE_BYTES)
#define TILE_LANES ((ptrdiff_t)(TILE_BYTES / sizeof(real)))

typedef real SIZED(tvec) __attribute__((vector_size(TILE_BYTES)));
typedef real SIZED(tvec_at) __attribute__((vector_size(TILE_BYTES), aligned(sizeof(real)), may_alias));

/* A vector whose first n lanes there are. */
INLINE SIZED(tvec) SIZED(load_part)(const real *p, ptrdiff_t n) {
    if (n >= TILE_LANES) return *(const SIZED(tvec_at) *)p;
#if TILE_BYTES == VEC_BYTES
    return load_first(p, n);
#else
    return load_first_half(p, n);
#endif
}

INLINE void SIZED(store_part)(real *p, SIZED(tvec) v, ptrdiff_t n) {
    if (n >= TILE_LANES)
        *(SIZED(tvec_at) *)p = v;
    else
#if TILE_BYTES == VEC_BYTES
        store_first(p, v, n);
#else
        store_first_half(p, v, n);
#endif
}

/* segments is NULL where A and B are one. */
INLINE void SIZED(tile)(const int rows, const int vectors, const Tile *t, real *c, const real *a,
                        const Segments *segments) {
    typedef SIZED(tvec) tvec;
    typedef SIZED(tvec_at) at;
    const ptrdiff_t a_row = t->a_row, a_col = t->a_col, ldb = t->ldb, ldc = t->ldc;
    const ptrdiff_t b_last = t->b_last, c_last = t->c_last;
    const int narrow = vectors == 1 && t->lanes < TILE_LANES;
    const real *third[MOST_ROWS / 3]; /* every third row of A: few registers reach all of them */
    tvec acc[MOST_ROWS][MOST_VECTORS];
#define EACH_ROW _Pragma("GCC unroll 12") for (int i = 0; i < rows; i++)
#define EACH_THIRD _Pragma("GCC unroll 4") for (int i = 0; i < (rows + 2) / 3; i++)
#define EACH_VECTOR _Pragma("GCC unroll 3") for (int v = 0; v < vectors; v++)
#define COLUMN(v, last) ((v) > 0 && (v) == vectors - 1 ? (last) : (v) * TILE_LANES)
    EACH_ROW EACH_VECTOR acc[i][v] = (tvec){0};
    if (t->init || t->from) {
        const real *start = t->from ? c + t->from : t->init;
        const ptrdiff_t next = t->from ? ldc : 0;
        EACH_ROW {
            if (narrow)
                acc[i][0] = SIZED(load_part)(start, t->lanes);
            else
                EACH_VECTOR acc[i][v] = *(const at *)(start + COLUMN(v, c_last));
            start += next;
        }
    }

    for (ptrdiff_t s = 0; s < (segments ? segments->count : 1); s++) {
        const real *b = segments ? t->b + segments->b_place[s] * segments->b_step : t->b;
        const real *top = segments ? a + segments->a_place[s] * segments->a_step : a;
        EACH_THIRD third[i] = top + 3 * i * a_row;
        for (ptrdiff_t p = t->depth; p > 0; p--) {
            tvec row[MOST_VECTORS];
            if (vectors == 1)
                row[0] = SIZED(load_part)(b, t->b_lanes);
            else
                EACH_VECTOR row[v] = *(const at *)(b + COLUMN(v, b_last));
            EACH_ROW {
                const tvec factor = third[i / 3][i % 3 * a_row] - (tvec){0};
                EACH_VECTOR acc[i][v] += factor * row[v];
            }
            EACH_THIRD third[i] += a_col;
            b += ldb;
        }
    }

    c += t->to;
    if (narrow) {
        EACH_ROW {
            if (t->add) acc[i][0] += SIZED(load_part)(c, t->lanes);
            SIZED(store_part)(c, acc[i][0], t->lanes);
            c += ldc;
        }
        return;
    }
    if (t->add) {
        const real *from = c;
        __asm__("" : "+r"(from)); /* else its rows' addresses are kept, and spilled, for the stores below */
        EACH_ROW {
            EACH_VECTOR acc[i][v] += *(const at *)(from + COLUMN(v, c_last));
            from += ldc;
        }
    }
    EACH_ROW {
        EACH_VECTOR *(at *)(c + COLUMN(v, c_last)) = acc[i][v];
        c += ldc;
    }
#undef EACH_ROW
#undef EACH_THIRD
#undef EACH_VECTOR
#undef COLUMN
}

#define PLAIN_KERNEL(rows, vectors)                                                                          \
    static void SIZED(tile##rows##x##vectors##x)(const Tile *t, real *c, const real *a) {                    \
        SIZED(tile)(rows, vectors, t, c, a, NULL);                                                           \
    }
#define TILE_KERNEL(rows, vectors)                                                                           \
    PLAIN_KERNEL(rows, vectors)                                                                              \
    static void SIZED(joint##rows##x##vectors##x)(const Tile *t, real *c, const real *a, const Segments *s) { \
        SIZED(tile)(rows, vectors, t, c, a, s);                                                              \
    }
#define TILE_NAME(rows, vectors) SIZED(tile##rows##x##vectors##x),
#define JOINT_NAME(rows, vectors) SIZED(joint##rows##x##vectors##x),

/* By vectors and rows. */
#if TILE_BYTES == VEC_BYTES
TILES_OF_1(TILE_KERNEL) TILES_OF_2(TILE_KERNEL) TILES_OF_3(TILE_KERNEL) TILES_OF_4(PLAIN_KERNEL)
static const TileKernel tiles[MOST_VECTORS][MOST_ROWS] = {
    {TILES_OF_1(TILE_NAME)}, {TILES_OF_2(TILE_NAME)}, {TILES_OF_3(TILE_NAME)}, {TILES_OF_4(TILE_NAME)}};
static const JointKernel joints[MOST_JOINED][MOST_ROWS] = {
    {TILES_OF_1(JOINT_NAME)}, {TILES_OF_2(JOINT_NAME)}, {TILES_OF_3(JOINT_NAME)}};
#else
TILES_OF_1(TILE_KERNEL)
static const TileKernel half_tiles[MOST_ROWS] = {TILES_OF_1(TILE_NAME)};
static const JointKernel half_joints[MOST_ROWS] = {TILES_OF_1(JOINT_NAME)};
#endif

#undef PLAIN_KERNEL
#undef TILE_KERNEL
#undef TILE_NAME
#undef JOINT_NAME
#undef TILE_LANES
#undef TILE_BYTES
#undef SIZED
#undef JOIN
#undef JOIN_
