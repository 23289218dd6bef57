/* The register tile of the matrix product at one vector width; gemm.h includes this once per TILE_BYTES.
 *
 *   C[i, j] = C0[i, j] + sum over p of A[i, p] B[p, j]      i < rows, j < vectors x TILE_LANES
 *
 * or the sum of such products of segments of A and B. Every element of C is one chain of multiply-adds in the
 * order of segments and p, whatever tile it falls into: cutting rows, columns or depth elsewhere gives the
 * same bits.
 */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define SIZED(name) JOIN(name, TILE_BYTES)
#define TILE_LANES ((ptrdiff_t)(TILE_BYTES / sizeof(real)))

typedef real SIZED(tvec) __attribute__((vector_size(TILE_BYTES)));
typedef real SIZED(tvec_at) __attribute__((vector_size(TILE_BYTES), aligned(sizeof(real)), may_alias));

/* segments is NULL where A and B are one. */
INLINE void SIZED(tile)(const int rows, const int vectors, const Tile *t, real *c, const real *a,
                        const Segments *segments) {
    typedef SIZED(tvec_at) at;
    const ptrdiff_t a_row = t->a_row, a_col = t->a_col, ldb = t->ldb, ldc = t->ldc, last = t->last;
    const real *third[TILE_ROWS / 3]; /* every third row of A: few registers reach all of them */
    SIZED(tvec) acc[TILE_ROWS][2];
#define EACH_ROW _Pragma("GCC unroll 12") for (int i = 0; i < rows; i++)
#define EACH_THIRD _Pragma("GCC unroll 4") for (int i = 0; i < (rows + 2) / 3; i++)
#define EACH_VECTOR _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++)
#define COLUMN(v) ((v) == vectors - 1 ? last : (v) * TILE_LANES)
    if (t->add) {
        const real *from = c;
        __asm__("" : "+r"(from)); /* else its rows' addresses are kept, and spilled, for the stores below */
        EACH_ROW EACH_VECTOR acc[i][v] = *(const at *)(from + i * ldc + COLUMN(v));
    } else if (t->init)
        EACH_ROW EACH_VECTOR acc[i][v] = *(const at *)(t->init + COLUMN(v));
    else
        EACH_ROW EACH_VECTOR acc[i][v] = (SIZED(tvec)){0};

    for (ptrdiff_t s = 0; s < (segments ? segments->count : 1); s++) {
        const real *b = segments ? t->b + segments->b_place[s] * segments->b_step : t->b;
        const real *top = segments ? a + segments->a_place[s] * segments->a_step : a;
        EACH_THIRD third[i] = top + 3 * i * a_row;
        for (ptrdiff_t p = t->depth; p > 0; p--) {
            SIZED(tvec) row[2];
            EACH_VECTOR row[v] = *(const at *)(b + COLUMN(v));
            EACH_ROW {
                const SIZED(tvec) factor = third[i / 3][i % 3 * a_row] - (SIZED(tvec)){0};
                EACH_VECTOR acc[i][v] += factor * row[v];
            }
            EACH_THIRD third[i] += a_col;
            b += ldb;
        }
    }
    EACH_ROW {
        EACH_VECTOR *(at *)(c + COLUMN(v)) = acc[i][v];
        c += ldc;
    }
#undef EACH_ROW
#undef EACH_THIRD
#undef EACH_VECTOR
#undef COLUMN
}

#define TILE_KERNEL(rows, vectors)                                                                    \
    static void SIZED(tile##rows##x##vectors##_)(const Tile *t, real *c, const real *a) {             \
        SIZED(tile)(rows, vectors, t, c, a, NULL);                                                    \
    }                                                                                                 \
    static void SIZED(joint##rows##x##vectors##_)(const Tile *t, real *c, const real *a,              \
                                                  const Segments *segments) {                         \
        SIZED(tile)(rows, vectors, t, c, a, segments);                                                \
    }
#define TILE_KERNELS(vectors)                                                                         \
    TILE_KERNEL(1, vectors) TILE_KERNEL(2, vectors) TILE_KERNEL(3, vectors) TILE_KERNEL(4, vectors)   \
    TILE_KERNEL(5, vectors) TILE_KERNEL(6, vectors)
TILE_KERNELS(1) TILE_KERNELS(2)
#define SIX(name, v)                                                                                  \
    SIZED(name##1##v), SIZED(name##2##v), SIZED(name##3##v), SIZED(name##4##v), SIZED(name##5##v),    \
        SIZED(name##6##v)
#if TILE_ROWS == 12
#undef TILE_KERNELS
#define TILE_KERNELS(vectors)                                                                         \
    TILE_KERNEL(7, vectors) TILE_KERNEL(8, vectors) TILE_KERNEL(9, vectors) TILE_KERNEL(10, vectors)  \
    TILE_KERNEL(11, vectors) TILE_KERNEL(12, vectors)
TILE_KERNELS(1) TILE_KERNELS(2)
#define EACH_TILE(name, v)                                                                            \
    {SIX(name, v), SIZED(name##7##v), SIZED(name##8##v), SIZED(name##9##v), SIZED(name##10##v),       \
     SIZED(name##11##v), SIZED(name##12##v)}
#else
#define EACH_TILE(name, v) {SIX(name, v)}
#endif

static const TileKernel SIZED(tiles)[2][TILE_ROWS] = {EACH_TILE(tile, x1_), EACH_TILE(tile, x2_)};
static const JointKernel SIZED(joints)[2][TILE_ROWS] = {EACH_TILE(joint, x1_), EACH_TILE(joint, x2_)};

#undef TILE_KERNEL
#undef TILE_KERNELS
#undef SIX
#undef EACH_TILE
#undef TILE_LANES
#undef TILE_BYTES
#undef SIZED
#undef JOIN
#undef JOIN_
