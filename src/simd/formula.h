/* Formulas: programs over registers of a few dozen vectors each, which stay in the first-level cache, so that what
 * it takes to read an instruction is spread over all of them.
 *
 * A slot is what an instruction reads or writes: a value and, where it depends on what is derived by, a slope of
 * its own (dual numbers). Constants are one vector that is read over and over. All work is done on whole vectors,
 * wherever a number lies in its row, so each has the same bits.
 */
#define BLOCK_VECTORS 32

typedef struct {
    const real *value, *slope; /* slope is NULL where it is 0 */
    ptrdiff_t value_step, slope_step; /* from one vector to the next, 0 of constants */
} Slot;

typedef struct {
    const vg_program *program;
    Slot slot[VG_SLOTS];
    real values[VG_REGISTERS][BLOCK_VECTORS * LANES], slopes[VG_REGISTERS][BLOCK_VECTORS * LANES];
    real constants[VG_CONSTANTS][LANES], one[LANES], zero[LANES];
    real *last; /* where the last instruction writes the value, or NULL: the slope alone is wanted */
    real results[BLOCK_VECTORS * LANES], z[BLOCK_VECTORS * LANES], learned[VG_LEARNED][BLOCK_VECTORS * LANES];
} Machine;

static void set_up_machine(Machine *m, const vg_program *program) {
    m->program = program;
    store(m->one, all(1));
    store(m->zero, all(0));
    m->slot[0] = (Slot){m->z, NULL, LANES, 0};
    for (int i = 0; i < program->constants; i++) {
        store(m->constants[i], all((real)program->constant[i]));
        m->slot[VG_FIRST_CONSTANT + i] = (Slot){m->constants[i], NULL, 0, 0};
    }
    for (int i = 0; i < program->learned; i++)
        m->slot[VG_FIRST_LEARNED + i] = (Slot){m->learned[i], NULL, LANES, 0};
}

/* What is derived by, or nothing where this is -1. */
INLINE void derive_by(Machine *m, int slot) {
    m->slot[0].slope = slot == 0 ? m->one : NULL;
    for (int i = 0; i < m->program->learned; i++)
        m->slot[VG_FIRST_LEARNED + i].slope = slot == VG_FIRST_LEARNED + i ? m->one : NULL;
}

typedef vec (*Unary)(vec a);
typedef vec (*UnarySlope)(vec a, vec f);
typedef vec (*Binary)(vec a, vec b);
typedef vec (*BinarySlope)(vec a, vec b, vec f);

INLINE vec negate_of(vec a) { return -a; }
INLINE vec negate_slope(vec a, vec f) { (void)a, (void)f; return all(-1); }
INLINE vec sign_of(vec a) { return choose(a > all(0), all(1), choose(a < all(0), all(-1), a)); }
INLINE vec abs_slope(vec a, vec f) { (void)f; return sign_of(a); }
INLINE vec sqrt_slope(vec a, vec f) { (void)a; return (real)0.5 / f; }
INLINE vec exp_slope(vec a, vec f) { (void)a; return f; }
INLINE vec log_slope(vec a, vec f) { (void)f; return 1 / a; }
INLINE vec log1p_slope(vec a, vec f) { (void)f; return 1 / (1 + a); }
INLINE vec sin_slope(vec a, vec f) { (void)f; return vcos(a); }
INLINE vec cos_slope(vec a, vec f) { (void)f; return -vsin(a); }
INLINE vec tanh_of_slope(vec a, vec f) { (void)a; return 1 - f * f; }
INLINE vec sigmoid_of_slope(vec a, vec f) { (void)a; return f * (1 - f); }
INLINE vec softplus_of_slope(vec a, vec f) { (void)f; return vsigmoid(a); }
INLINE vec erf_slope(vec a, vec f) { (void)f; return (real)1.12837916709551257390 * vexp(-a * a); }

INLINE vec sum_of_two(vec a, vec b) { return a + b; }
INLINE vec difference(vec a, vec b) { return a - b; }
INLINE vec product(vec a, vec b) { return a * b; }
INLINE vec quotient(vec a, vec b) { return a / b; }
INLINE vec lesser(vec a, vec b) { return choose(a < b, a, choose(a >= b, b, a + b)); }
INLINE vec greater(vec a, vec b) { return choose(a > b, a, choose(a <= b, b, a + b)); }
/* Of what is no number, no number: `no` is not ~yes there. */
INLINE vec either(mask yes, mask no, vec v, vec w, vec unknown) { return choose(yes, v, choose(no, w, unknown)); }
INLINE vec less(vec a, vec b) { return either(a < b, a >= b, all(1), all(0), a + b); }
INLINE vec less_equal(vec a, vec b) { return either(a <= b, a > b, all(1), all(0), a + b); }
INLINE vec equal(vec a, vec b) { return either(a == b, (a < b) | (a > b), all(1), all(0), a + b); }
INLINE vec not_equal(vec a, vec b) { return either((a < b) | (a > b), a == b, all(1), all(0), a + b); }
INLINE vec sign_of_first(vec a, vec b) { (void)b; return sign_of(a); }

INLINE vec slope_one(vec a, vec b, vec f) { (void)a, (void)b, (void)f; return all(1); }
INLINE vec slope_minus_one(vec a, vec b, vec f) { (void)a, (void)b, (void)f; return all(-1); }
INLINE vec product_left(vec a, vec b, vec f) { (void)a, (void)f; return b; }
INLINE vec product_right(vec a, vec b, vec f) { (void)b, (void)f; return a; }
INLINE vec quotient_left(vec a, vec b, vec f) { (void)a, (void)f; return 1 / b; }
INLINE vec quotient_right(vec a, vec b, vec f) { (void)a; return -f / b; }
INLINE vec power_left(vec a, vec b, vec f) { (void)f; return b * vpow(a, b - 1); }
INLINE vec power_right(vec a, vec b, vec f) {
    return choose((a == all(0)) & (b >= all(0)), all(0), f * vlog(a));
}
/* Each has half where they are equal, as in PyTorch. */
INLINE vec lesser_left(vec a, vec b, vec f) {
    (void)f;
    return choose(a < b, all(1), keep(a == b, all((real)0.5)));
}
INLINE vec lesser_right(vec a, vec b, vec f) { return lesser_left(b, a, f); }

/* The i-th vector. */
INLINE vec slot_value(Slot s, ptrdiff_t i) { return load(s.value + i * s.value_step); }
INLINE vec slot_slope(Slot s, ptrdiff_t i) { return load(s.slope + i * s.slope_step); }
INLINE vec derivative(Slot s, ptrdiff_t i) { return s.slope ? slot_slope(s, i) : all(0); }
#define FOR_VECTORS for (ptrdiff_t i = 0; i < n; i++)
#define FOR_VALUES for (ptrdiff_t i = 0; i < (value ? n : 0); i++) /* where they are wanted */

INLINE void unary(Slot *to, real *value, real *slope, Slot a, Unary f, UnarySlope df, ptrdiff_t n) {
    *to = (Slot){value, a.slope ? slope : NULL, LANES, LANES};
    if (!a.slope)
        FOR_VALUES store(value + i * LANES, f(slot_value(a, i)));
    else if (!value)
        FOR_VECTORS {
            const vec v = slot_value(a, i);
            store(slope + i * LANES, df(v, f(v)) * slot_slope(a, i));
        }
    else
        FOR_VECTORS {
            const vec v = slot_value(a, i), w = f(v);
            store(slope + i * LANES, df(v, w) * slot_slope(a, i));
            store(value + i * LANES, w);
        }
}

INLINE void binary(Slot *to, real *value, real *slope, Slot a, Slot b, Binary f, BinarySlope left,
                   BinarySlope right, ptrdiff_t n) {
    *to = (Slot){value, a.slope || b.slope ? slope : NULL, LANES, LANES};
    if (!a.slope && !b.slope)
        FOR_VALUES store(value + i * LANES, f(slot_value(a, i), slot_value(b, i)));
    else if (!b.slope)
        FOR_VECTORS {
            const vec v = slot_value(a, i), u = slot_value(b, i), w = f(v, u);
            store(slope + i * LANES, left(v, u, w) * slot_slope(a, i));
            if (value) store(value + i * LANES, w);
        }
    else if (!a.slope)
        FOR_VECTORS {
            const vec v = slot_value(a, i), u = slot_value(b, i), w = f(v, u);
            store(slope + i * LANES, right(v, u, w) * slot_slope(b, i));
            if (value) store(value + i * LANES, w);
        }
    else
        FOR_VECTORS {
            const vec v = slot_value(a, i), u = slot_value(b, i), w = f(v, u);
            store(slope + i * LANES, left(v, u, w) * slot_slope(a, i) + right(v, u, w) * slot_slope(b, i));
            if (value) store(value + i * LANES, w);
        }
}

/* A step: no slope. */
INLINE void compare(Slot *to, real *value, Slot a, Slot b, Binary f, ptrdiff_t n) {
    FOR_VALUES store(value + i * LANES, f(slot_value(a, i), slot_value(b, i)));
    *to = (Slot){value, NULL, LANES, LANES};
}

typedef mask (*Test)(vec a, vec b);
INLINE mask is_not_zero(vec a, vec b) { (void)b; return (a < all(0)) | (a > all(0)); }
INLINE mask is_zero(vec a, vec b) { (void)b; return a == all(0); }
INLINE mask is_less(vec a, vec b) { return a < b; }
INLINE mask is_not_less(vec a, vec b) { return a >= b; }
INLINE mask is_more(vec a, vec b) { return a > b; }
INLINE mask is_not_more(vec a, vec b) { return a <= b; }

INLINE void where(Slot *to, real *value, real *slope, Slot a, Slot b, Slot c, Slot d, Test yes, Test no,
                  const real *zero, ptrdiff_t n) {
    const int derived = c.slope || d.slope;
    if (!c.slope) c.slope = zero, c.slope_step = 0;
    if (!d.slope) d.slope = zero, d.slope_step = 0;
    *to = (Slot){value, derived ? slope : NULL, LANES, LANES};
    if (!derived)
        FOR_VALUES {
            const vec v = slot_value(a, i), u = slot_value(b, i);
            store(value + i * LANES, either(yes(v, u), no(v, u), slot_value(c, i), slot_value(d, i), v + u));
        }
    else
        FOR_VECTORS {
            const vec v = slot_value(a, i), u = slot_value(b, i);
            const vec s = either(yes(v, u), no(v, u), slot_slope(c, i), slot_slope(d, i), v + u);
            const vec w = either(yes(v, u), no(v, u), slot_value(c, i), slot_value(d, i), v + u);
            store(slope + i * LANES, s);
            if (value) store(value + i * LANES, w);
        }
}

/* n vectors of the slots that are not constant. */
static __attribute__((noinline)) void run_machine(Machine *m, ptrdiff_t n) {
    const vg_program *p = m->program;
    for (int k = 0; k < p->instructions; k++) {
        const vg_instruction code = p->instruction[k];
        const Slot a = m->slot[code.a], b = m->slot[code.b];
        const Slot c = m->slot[code.c], d = m->slot[code.d];
        Slot *to = &m->slot[code.result];
        const int last = k == p->instructions - 1;
        real *value = last ? m->last : m->values[code.result - 1], *slope = m->slopes[code.result - 1];
#define UNARY(f, df) unary(to, value, slope, a, f, df, n); break
#define BINARY(f, left, right) binary(to, value, slope, a, b, f, left, right, n); break
#define COMPARE(f) compare(to, value, a, b, f, n); break
#define WHERE(yes, no, ...) where(to, value, slope, __VA_ARGS__, yes, no, m->zero, n); break
        switch ((vg_operator)code.operator) {
        case VG_NEGATE: UNARY(negate_of, negate_slope);
        case VG_ABS: UNARY(magnitude, abs_slope);
        case VG_SIGN: COMPARE(sign_of_first);
        case VG_SQRT: UNARY(square_root, sqrt_slope);
        case VG_EXP: UNARY(vexp, exp_slope);
        case VG_LOG: UNARY(vlog, log_slope);
        case VG_LOG1P: UNARY(vlog1p, log1p_slope);
        case VG_SIN: UNARY(vsin, sin_slope);
        case VG_COS: UNARY(vcos, cos_slope);
        case VG_TANH_OF: UNARY(vtanh, tanh_of_slope);
        case VG_SIGMOID_OF: UNARY(vsigmoid, sigmoid_of_slope);
        case VG_SOFTPLUS_OF: UNARY(vsoftplus, softplus_of_slope);
        case VG_ERF: UNARY(verf, erf_slope);
        case VG_ADD: BINARY(sum_of_two, slope_one, slope_one);
        case VG_SUBTRACT: BINARY(difference, slope_one, slope_minus_one);
        case VG_MULTIPLY: BINARY(product, product_left, product_right);
        case VG_DIVIDE: BINARY(quotient, quotient_left, quotient_right);
        case VG_POWER: BINARY(vpow, power_left, power_right);
        case VG_MINIMUM: BINARY(lesser, lesser_left, lesser_right);
        case VG_MAXIMUM: BINARY(greater, lesser_right, lesser_left);
        case VG_LESS: COMPARE(less);
        case VG_LESS_EQUAL: COMPARE(less_equal);
        case VG_EQUAL: COMPARE(equal);
        case VG_NOT_EQUAL: COMPARE(not_equal);
        case VG_WHERE: WHERE(is_not_zero, is_zero, a, a, b, c);
        case VG_WHERE_LESS: WHERE(is_less, is_not_less, a, b, c, d);
        case VG_WHERE_LESS_EQUAL: WHERE(is_not_more, is_more, a, b, c, d);
        }
#undef UNARY
#undef BINARY
#undef COMPARE
#undef WHERE
    }
}

/* Columns as whole vectors. */
INLINE ptrdiff_t whole_vectors(ptrdiff_t cols) { return (cols + LANES - 1) / LANES * LANES; }

/* `rows` rows of `cols` columns of x, each as whole vectors, behind one another. */
INLINE void line_up(real *to, const real *x, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t cols) {
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < cols; j += LANES, to += LANES) store(to, load_first(x + r * ld + j, cols - j));
}

/* Whether rows x cols numbers are whole vectors behind one another where they lie. */
INLINE int lies_in_line(ptrdiff_t rows, ptrdiff_t cols) { return rows == 1 && cols % LANES == 0; }

/* Runs over rows x cols numbers of z, which must not be more than a block's, and says where what it made lies. The
 * value goes to `last`, or nowhere where that is NULL and there is a slope. */
INLINE Slot run_block(Machine *m, real *last, const real *z, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t cols) {
    m->last = last;
    m->slot[0].value = lies_in_line(rows, cols) ? z : m->z;
    if (m->slot[0].value == m->z) line_up(m->z, z, ld, rows, cols);
    run_machine(m, rows * whole_vectors(cols) / LANES);
    return m->slot[m->program->result];
}

/* The slopes of rows x cols numbers of z, each row as whole vectors. */
static const real *slopes_of_z(Machine *m, const real *z, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t cols) {
    const Slot made = run_block(m, NULL, z, ld, rows, cols);
    if (made.slope && made.slope_step) return made.slope;
    /* of one number, or none, for all: in the place of z, which was read */
    const ptrdiff_t n = rows * whole_vectors(cols) / LANES;
    FOR_VECTORS store(m->z + i * LANES, derivative(made, i));
    return m->z;
}

/* For each block of a matrix of n columns: `count` rows from `begin` on, `width` columns from j on. */
#define FOR_MACHINE_BLOCKS(begin, count, j, width, n, all_rows)                                                \
    for (ptrdiff_t t_ = 0, share_ = (n) < BLOCK_VECTORS * LANES ? (n) : BLOCK_VECTORS * LANES,                 \
                   high_ = BLOCK_VECTORS * LANES / whole_vectors(share_);                                      \
         t_ < (all_rows)->times; t_++)                                                                         \
        for (ptrdiff_t begin = t_ * (all_rows)->stride + (all_rows)->begin,                                    \
                       stop_ = t_ * (all_rows)->stride + rows_end(all_rows, t_), count;                        \
             count = stop_ - begin < high_ ? stop_ - begin : high_, begin < stop_; begin += high_)             \
            for (ptrdiff_t j = 0, width; width = (n) - j < share_ ? (n) - j : share_, j < (n); j += share_)

static __attribute__((noinline)) void formula_values(vg_matrix h, vg_matrix z, const vg_program *f,
                                                     const vg_rows *rows) {
    Machine m;
    set_up_machine(&m, f);
    derive_by(&m, -1);
    FOR_MACHINE_BLOCKS(begin, count, j, width, h.cols, rows) {
        real *out = element(h, begin, j);
        const int direct = lies_in_line(count, width) && f->instructions;
        const Slot made = run_block(&m, direct ? out : m.results, element(z, begin, j), z.ld, count, width);
        ptrdiff_t i = 0;
        for (ptrdiff_t r = begin; r < begin + count && !direct; r++)
            for (ptrdiff_t k = 0; k < width; k += LANES, i++)
                store_first(element(h, r, j + k), slot_value(made, i), width - k);
    }
}

/* d = slope, or d *= slope where `multiplying` */
static __attribute__((noinline)) void formula_slopes(int multiplying, vg_matrix delta, vg_matrix z,
                                                     const vg_program *f, const vg_rows *rows) {
    Machine m;
    set_up_machine(&m, f);
    derive_by(&m, 0);
    FOR_MACHINE_BLOCKS(begin, count, j, width, delta.cols, rows) {
        const Slot made = run_block(&m, NULL, element(z, begin, j), z.ld, count, width);
        ptrdiff_t i = 0;
        for (ptrdiff_t r = begin; r < begin + count; r++)
            for (ptrdiff_t k = 0; k < width; k += LANES, i++) {
                real *d = element(delta, r, j + k);
                const vec s = derivative(made, i);
                store_first(d, multiplying ? load_first(d, width - k) * s : s, width - k);
            }
    }
}
