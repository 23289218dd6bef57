/* Elementwise loops over the columns of a row. Nothing behind the last column is written.
 *
 * Gates of a row lie side by side, in blocks of as many columns as the layer has units; gate k of unit j is
 * gate[k * n + j].
 */

/* For each vector of n columns: j is its first column, `lanes` how many of its lanes count. Whole vectors go
 * through a loop of their own, in which `lanes` is a constant. */
#define FOR_COLUMNS(n, ...)                                                       \
    do {                                                                          \
        ptrdiff_t j = 0;                                                          \
        for (; j + LANES <= (n); j += LANES) {                                    \
            const ptrdiff_t lanes = LANES;                                        \
            __VA_ARGS__                                                           \
        }                                                                         \
        if (j < (n)) {                                                            \
            const ptrdiff_t lanes = (n) - j;                                      \
            __VA_ARGS__                                                           \
        }                                                                         \
    } while (0)

#define ROW(matrix) ((real *)(matrix).data + r * (matrix).ld)
#define AT(row) load_first((row) + j, lanes)
#define GATE(k) load_first(gate + (k) * n + j, lanes)
#define PUT(row, v) store_first((row) + j, v, lanes)
#define PUT_GATE(k, v) store_first(gate + (k) * n + j, v, lanes)
