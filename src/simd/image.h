/* How samples are laid out: in the arena place by place, and elsewhere as their users see them. */

/* Elements of a sample that lie evenly: `count` of them, `step` apart. */
typedef struct {
    ptrdiff_t at, step, count;
} Run;

#define RUN_LENGTH 16 /* short enough for its lines to stay in the cache from one sample to the next */

/* From element e of the first sample on. */
INLINE Run run_of(const vg_layout *l, ptrdiff_t e, ptrdiff_t stride) {
    const ptrdiff_t along = l->by_channel ? l->places : l->matrix.cols;
    const ptrdiff_t place = l->by_channel ? e % along : e / along, channel = l->by_channel ? e / along : e % along;
    const ptrdiff_t left = along - e % along;
    return (Run){
        .at = place * stride * l->matrix.ld + channel,
        .step = l->by_channel ? stride * l->matrix.ld : 1,
        .count = left < RUN_LENGTH ? left : RUN_LENGTH,
    };
}

INLINE real *sample_of(const vg_layout *l, ptrdiff_t r) {
    return element(l->matrix, l->order ? l->order[r] : r, 0);
}

static void relayout(const vg_layout *y, const vg_layout *x, int add, const vg_rows *rows) {
    for (ptrdiff_t e = 0, n; e < y->places * y->matrix.cols; e += n) {
        const Run to = run_of(y, e, rows->stride), from = run_of(x, e, rows->stride);
        n = to.count < from.count ? to.count : from.count;
        for (ptrdiff_t r = rows->begin; r < rows->end; r++) {
            real *out = sample_of(y, r) + to.at;
            const real *in = sample_of(x, r) + from.at;
            if (add)
                for (ptrdiff_t i = 0; i < n; i++) out[i * to.step] += in[i * from.step];
            else
                for (ptrdiff_t i = 0; i < n; i++) out[i * to.step] = in[i * from.step];
        }
    }
}

static void gather_images(vg_matrix y, vg_matrix x, const int64_t *order, const vg_rows *rows) {
    const vg_matrix flat = {x.data, x.ld, rows->times * y.cols};
    relayout(&(vg_layout){y, rows->times, 1, NULL}, &(vg_layout){flat, 1, 0, order}, 0, rows);
}

static void write_image(void *y, vg_matrix x, ptrdiff_t places, ptrdiff_t stride) {
    const vg_matrix flat = {y, places * x.cols, places * x.cols};
    const vg_rows one = {.end = 1, .times = 1, .stride = stride};
    relayout(&(vg_layout){flat, 1, 0, NULL}, &(vg_layout){x, places, 1, NULL}, 0, &one);
}
