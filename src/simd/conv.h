/* Convolutions: matrix products over a table of neighbours (vg_pairs), without a copy of the neighbourhoods.
 *
 * A tile holds rows of one place, and its sums stay in registers over as many of that place's neighbours as make a
 * block of depth: each is a segment of it. Padding is neighbours that the table does not have.
 */

/* C (+)= A B for `count` rows, dealt evenly to the fewest tiles that hold them. */
INLINE void deal_rows(const Tile *tile, const Segments *segments, const JointKernel *kernels, Deal dealt,
                      real *c, const real *a) {
    for (ptrdiff_t k = 0; k < dealt.tiles; k++) {
        const ptrdiff_t rows = dealt.rows + (k < dealt.more);
        kernels[rows - 1](tile, c, a, segments);
        c += rows * tile->ldc;
        a += rows * tile->a_row;
    }
}

INLINE Segments segments_of(const vg_pairs *pairs, ptrdiff_t destination, ptrdiff_t a_step, ptrdiff_t b_step) {
    const int32_t begin = pairs->first[destination], end = pairs->first[destination + 1];
    return (Segments){end - begin, pairs->left + begin, pairs->right + begin, a_step, b_step};
}

/* C (+)= A B over all segments, so many at once that each sum is at least a block deep and less than two, or one that is
 * deeper, block by block; `skip`: elements of A and B from one term to the next within a segment. */
INLINE void join(Tile tile, const Segments *segments, Group group, ptrdiff_t count, real *c, const real *a,
                 ptrdiff_t a_skip, ptrdiff_t b_skip) {
    const Deal dealt = deal(count, group.most_rows);
    const ptrdiff_t depth = tile.depth, blocks = segments->count * depth / VG_DEPTH_BLOCK;
    const real *b = tile.b;
    Segments some = *segments;
    ptrdiff_t behind = segments->count;
    for (ptrdiff_t left = blocks < 1 ? 1 : blocks < behind ? blocks : behind; left > 0; left--) {
        some.count = (behind + left - 1) / left;
        for (ptrdiff_t begin = 0; begin < depth; begin += VG_DEPTH_BLOCK) {
            tile.depth = depth - begin < VG_DEPTH_BLOCK ? depth - begin : VG_DEPTH_BLOCK;
            tile.b = b + begin * b_skip;
            deal_rows(&tile, &some, group.joints, dealt, c, a + begin * a_skip);
            tile.init = NULL;
            tile.add = 1;
        }
        some.a_place += some.count;
        some.b_place += some.count;
        behind -= some.count;
    }
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
                    pack_panel(packed, group, from + col * w.ld, 1, w.ld, depth);
                else
                    pack_panel(packed, group, from + col, w.ld, 1, depth);
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
                .ldc = y.ld, .b_last = group.packed - LANES, .c_last = group.cols - LANES,
                .lanes = group.cols, .b_lanes = LANES, .depth = depth,
            };
            for (ptrdiff_t p = 0; p < pairs->count; p++) {
                const Segments neighbours =
                    segments_of(pairs, p, rows->stride * x.ld, depth * group.packed);
                join(tile, &neighbours, group, rows->end - rows->begin,
                     (real *)y.data + (p * rows->stride + rows->begin) * y.ld + col,
                     (const real *)x.data + rows->begin * x.ld + g * depth, 1, group.packed);
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
                    tile.b_last = tile.c_last = group.cols - LANES;
                    tile.lanes = tile.b_lanes = group.cols;
                    join(tile, &places, group, end - row, (real *)dw.data + row * dw.ld + col,
                         (const real *)x.data + g * channels + row - tap * channels, x.ld, dy.ld);
                    col += group.cols;
                }
        }
}
