/* The register tile of the matrix product at one vector width; gemm.h includes this once per TILE_BYTES.
 *
 *   C[i, j] = C0[i, j] + sum over p of A[i, p] B[p, j]      i < rows, j < vectors x TILE_LANES
 *
 * Every element of C is one chain of multiply-adds in the order of p, whatever tile it falls into: cutting
 * rows, columns or depth elsewhere gives the same bits.
 */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define SIZED(name) JOIN(name, TILE_BYTES)
#define TILE_LANES ((ptrdiff_t)(TILE_BYTES / sizeof(real)))

typedef real SIZED(tvec) __attribute__((vector_size(TILE_BYTES)));
typedef real SIZED(tvec_at) __attribute__((vector_size(TILE_BYTES), aligned(sizeof(real)), may_alias));

INLINE void SIZED(tile)(const int rows, const int vectors, const Tile *t, real *c, const real *a) {
    typedef SIZED(tvec_at) at;
    const ptrdiff_t a_row = t->a_row, a_col = t->a_col, ldb = t->ldb, ldc = t->ldc, last = t->last;
    const real *b = t->b;
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

    EACH_THIRD third[i] = a + 3 * i * a_row;
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
    EACH_ROW {
        EACH_VECTOR *(at *)(c + COLUMN(v)) = acc[i][v];
        c += ldc;
    }
#undef EACH_ROW
#undef EACH_THIRD
#undef EACH_VECTOR
#undef COLUMN
}

#define TILE_KERNEL(rows)                                                        \
    static void SIZED(tile##rows##x1_)(const Tile *t, real *c, const real *a) {  \
        SIZED(tile)(rows, 1, t, c, a);                                           \
    }                                                                            \
    static void SIZED(tile##rows##x2_)(const Tile *t, real *c, const real *a) {  \
        SIZED(tile)(rows, 2, t, c, a);                                           \
    }
TILE_KERNEL(1) TILE_KERNEL(2) TILE_KERNEL(3) TILE_KERNEL(4) TILE_KERNEL(5) TILE_KERNEL(6)
#if TILE_ROWS == 12
TILE_KERNEL(7) TILE_KERNEL(8) TILE_KERNEL(9) TILE_KERNEL(10) TILE_KERNEL(11) TILE_KERNEL(12)
#define TILE_COLUMN(v)                                                                               \
    {SIZED(tile1##v), SIZED(tile2##v), SIZED(tile3##v), SIZED(tile4##v), SIZED(tile5##v),            \
     SIZED(tile6##v), SIZED(tile7##v), SIZED(tile8##v), SIZED(tile9##v), SIZED(tile10##v),           \
     SIZED(tile11##v), SIZED(tile12##v)}
#else
#define TILE_COLUMN(v)                                                                               \
    {SIZED(tile1##v), SIZED(tile2##v), SIZED(tile3##v), SIZED(tile4##v), SIZED(tile5##v),            \
     SIZED(tile6##v)}
#endif

static void (*const SIZED(tiles)[2][TILE_ROWS])(const Tile *, real *, const real *) = {
    TILE_COLUMN(x1_),
    TILE_COLUMN(x2_),
};

#undef TILE_KERNEL
#undef TILE_COLUMN
#undef TILE_LANES
#undef TILE_BYTES
#undef SIZED
#undef JOIN
#undef JOIN_
