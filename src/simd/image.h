/* Images outside have their channels first, (channels, places); in the arena they lie place by place. */

static void gather_images(vg_matrix y, vg_matrix x, const int64_t *order, const vg_rows *rows) {
    const ptrdiff_t places = rows->times;
    for (ptrdiff_t p = 0; p < places; p++)
        for (ptrdiff_t r = rows->begin; r < rows->end; r++) {
            real *to = (real *)y.data + (p * rows->stride + r) * y.ld;
            const real *from = (const real *)x.data + (order ? order[r] : r) * x.ld + p;
            for (ptrdiff_t c = 0; c < y.cols; c++) to[c] = from[c * places];
        }
}

static void write_image(void *y, vg_matrix x, ptrdiff_t places, ptrdiff_t stride) {
    for (ptrdiff_t p = 0; p < places; p++) {
        const real *from = (const real *)x.data + p * stride * x.ld;
        for (ptrdiff_t c = 0; c < x.cols; c++) ((real *)y)[c * places + p] = from[c];
    }
}
