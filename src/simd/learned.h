/* Formulas whose parameters are learned, one for all columns or one for each. */

/* The parameters of `width` columns from column j on, for `count` rows of them. */
static void pack_learned(Machine *m, const void *const *p, int shared, ptrdiff_t j, ptrdiff_t count,
                         ptrdiff_t width) {
    for (int k = 0; k < m->program->learned; k++) {
        const real *given = p[k];
        if (shared)
            for (ptrdiff_t i = 0; i < count * whole_vectors(width); i += LANES) store(m->learned[k] + i, all(*given));
        else
            line_up(m->learned[k], given + j, 0, count, width);
    }
}

static void formula(vg_matrix h, vg_matrix x, const vg_program *f, const void *const *p, int shared,
                    const vg_rows *rows) {
    Machine m;
    set_up_machine(&m, f);
    derive_by(&m, -1);
    FOR_MACHINE_BLOCKS(begin, count, j, width, h.cols, rows) {
        pack_learned(&m, p, shared, j, count, width);
        const Slot made = run_block(&m, m.results, element(x, begin, j), x.ld, count, width);
        ptrdiff_t i = 0;
        for (ptrdiff_t r = begin; r < begin + count; r++)
            for (ptrdiff_t k = 0; k < width; k += LANES, i++)
                store_first(element(h, r, j + k), slot_value(made, i), width - k);
    }
}

/* The sums of delta times the derivative by one parameter, down `count` rows of `width` columns. */
INLINE double add_derivatives(double *sum, Slot made, const real *d, ptrdiff_t ld, ptrdiff_t count, ptrdiff_t width,
                              int shared) {
    const ptrdiff_t vectors = whole_vectors(width) / LANES;
    double total = 0;
    for (ptrdiff_t k = 0; k < vectors; k++) {
        vec part = all(0);
        for (ptrdiff_t r = 0; r < count; r++) {
            const ptrdiff_t i = r * vectors + k, left = width - k * LANES;
            const vec s = derivative(made, i);
            part += keep(first(left < LANES ? left : LANES), load_first(d + r * ld + k * LANES, left) * s);
        }
        if (shared)
            total += lane_sum(part);
        else
            add_widened(sum + k * LANES, part);
    }
    return total;
}

static void formula_backward(vg_matrix sums, vg_matrix delta, vg_matrix x, const vg_program *f,
                             const void *const *p, int shared, int accumulating, const vg_rows *rows) {
    const ptrdiff_t n = x.cols, share = BLOCK_VECTORS / VG_ROW_CHUNK * LANES;
    const ptrdiff_t pitch = VG_PADDED(shared ? 1 : n);
    Machine m;
    set_up_machine(&m, f);
    if (!accumulating) clear_chunks(sums, rows);
    FOR_PLACES_BACK(c, begin, count, rows)
        for (ptrdiff_t j = 0; j < n; j += share) {
            const ptrdiff_t width = n - j < share ? n - j : share;
            real *d = element(delta, begin, j);
            const real *in = element(x, begin, j);
            double *sum = CHUNK_OF(sums, c);
            pack_learned(&m, p, shared, j, count, width);
            for (int k = 0; k < f->learned; k++, sum += pitch) {
                derive_by(&m, VG_FIRST_LEARNED + k);
                const Slot made = run_block(&m, NULL, in, x.ld, count, width);
                const double total = add_derivatives(shared ? sum : sum + j, made, d, delta.ld, count, width, shared);
                if (shared) *sum += total;
            }
            derive_by(&m, 0);
            const Slot made = run_block(&m, NULL, in, x.ld, count, width);
            ptrdiff_t i = 0;
            for (ptrdiff_t r = 0; r < count; r++)
                for (ptrdiff_t k = 0; k < width; k += LANES, i++) {
                    real *at = d + r * delta.ld + k;
                    store_first(at, load_first(at, width - k) * derivative(made, i), width - k);
                }
        }
}
