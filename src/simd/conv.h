/* Convolutions: matrix products over a table of neighbours (vg_pairs), without a copy of the neighbourhoods.
 *
 * A tile holds rows of one place, and its sums stay in registers over all of that place's neighbours: each is
 * a segment of the tile's depth. Padding is neighbours that the table does not have.
 */

/* C (+)= A B for `count` rows, dealt evenly to the fewest tiles that hold them. */
INLINE void deal_rows(const Tile *tile, const Segments *segments, const JointKernel kernels[TILE_ROWS],
                      ptrdiff_t count, real *c, const real *a) {
    for (ptrdiff_t tiles = (count + TILE_ROWS - 1) / TILE_ROWS; tiles > 0; tiles--) {
        const ptrdiff_t rows = (count + tiles - 1) / tiles;
        kernels[rows - 1](tile, c, a, segments);
        c += rows * tile->ldc;
        a += rows * tile->a_row;
        count -= rows;
    }
}

INLINE Segments segments_of(const vg_pairs *pairs, ptrdiff_t destination, ptrdiff_t a_step, ptrdiff_t b_step) {
    const int32_t begin = pairs->first[destination], end = pairs->first[destination + 1];
    return (Segments){end - begin, pairs->left + begin, pairs->right + begin, a_step, b_step};
}

static void pack_taps(void *packed_, vg_matrix w, ptrdiff_t channels, ptrdiff_t taps, ptrdiff_t groups,
                      int transposed) {
    real *packed = packed_;
    const ptrdiff_t filters = w.cols / groups;
    const ptrdiff_t depth = transposed ? filters : channels, cols = transposed ? channels : filters;
    for (ptrdiff_t g = 0; g < groups; g++)
        for (ptrdiff_t col = 0; col < cols;) {
            const Group group = group_of(cols - col);
            for (ptrdiff_t k = 0; k < taps; k++) {
                const real *from = (const real *)w.data + k * channels * w.ld + g * filters;
                if (transposed)
                    pack_transposed(packed, group.packed, from + col * w.ld, w.ld, depth, group.cols);
                else
                    pack_rows(packed, group.packed, from + col, w.ld, depth, group.cols);
                packed += depth * group.packed;
            }
            col += group.cols;
        }
}

static void convolve(vg_matrix y, vg_matrix x, const void *packed, const void *b, const vg_pairs *pairs,
                     ptrdiff_t taps, ptrdiff_t groups, int add, const vg_rows *rows) {
    const ptrdiff_t depth = x.cols / groups, cols = y.cols / groups;
    const real *panel = packed;
    for (ptrdiff_t g = 0; g < groups; g++)
        for (ptrdiff_t col = g * cols; col < (g + 1) * cols;) {
            const Group group = group_of((g + 1) * cols - col);
            Tile tile = {
                .init = b ? (const real *)b + col : NULL, .add = add,
                .a_row = x.ld, .a_col = 1, .b = panel, .ldb = group.packed,
                .ldc = y.ld, .last = group.cols - group.width.lanes, .depth = depth,
            };
            for (ptrdiff_t p = 0; p < pairs->count; p++) {
                const Segments neighbours =
                    segments_of(pairs, p, rows->stride * x.ld, depth * group.packed);
                deal_rows(&tile, &neighbours, group.width.joint[group.vectors - 1], rows->end - rows->begin,
                          (real *)y.data + (p * rows->stride + rows->begin) * y.ld + col,
                          (const real *)x.data + rows->begin * x.ld + g * depth);
            }
            panel += taps * depth * group.packed;
            col += group.cols;
        }
}

static void convolve_weight(vg_matrix dw, vg_matrix x, vg_matrix dy, const vg_pairs *pairs, ptrdiff_t taps,
                            ptrdiff_t groups, ptrdiff_t rows, ptrdiff_t in0, ptrdiff_t in1) {
    const ptrdiff_t channels = x.cols / groups, filters = dy.cols / groups;
    Tile tile = {
        .a_row = 1, .a_col = x.ld, .ldb = dy.ld, .ldc = dw.ld, .depth = rows,
    };
    for (ptrdiff_t block = 0; block < pairs->count; block += taps, tile.add = 1)
        for (ptrdiff_t row = in0, end; row < in1; row = end) {
            const ptrdiff_t tap = row / channels;
            end = (tap + 1) * channels < in1 ? (tap + 1) * channels : in1;
            const Segments places = segments_of(pairs, block + tap, rows * x.ld, rows * dy.ld);
            for (ptrdiff_t g = 0; g < groups; g++)
                for (ptrdiff_t col = g * filters; col < (g + 1) * filters;) {
                    const Group group = group_of((g + 1) * filters - col);
                    tile.b = (const real *)dy.data + col;
                    tile.last = group.cols - group.width.lanes;
                    deal_rows(&tile, &places, group.width.joint[group.vectors - 1], end - row,
                              (real *)dw.data + row * dw.ld + col,
                              (const real *)x.data + g * channels + row - tap * channels);
                    col += group.cols;
                }
        }
}
