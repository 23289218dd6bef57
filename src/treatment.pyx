"""What becomes of a gradient g: its treatment, and the optimizer's step.

    g <- a g                     a: the amplification of an op
    g <- s g                     clipping: one s for all, for an op, or for each unit
    g <- max(-c, min(c, g))      ... or by value
    g <- g + N(0, sigma^2)       noise
    the optimizer's step, at the rate times an op's factor

Multiples and cuts are taken on the fly by the update (simd/update.h); other treatments are written into the
gradient, block by block in front of the update. What needs the norm of more than a block waits until all of
backward is done.
"""

from libc.float cimport DBL_MIN, FLT_MIN
from libc.math cimport INFINITY, pow, sqrt

from .bins cimport table_of
from .op cimport Op, Parameter, Step
from .plan cimport OpBook, Plan, RATIO_BINS, WEIGHT_BINS, waits, writes
from .record cimport combined_norm
from .simd cimport Factor, Norms, RULE_STATES, Update, advance, quotient
from .window cimport cut

cdef enum:
    UNITS = 32  # columns that a thread measures in one go


cdef inline Py_ssize_t first_element(const Parameter *p, Py_ssize_t row) noexcept nogil:
    """Where row `row` of a parameter begins; behind the last row, the end of its padding."""
    return p.padded if row == p.rows else row * p.value.cols


cdef void update_rows(
    Plan *plan, const OpBook *book, Parameter *p, const Step *step, Py_ssize_t row0, Py_ssize_t row1,
    const Update *update, double *gradient_norms,
) noexcept nogil:
    """The optimizer's step on rows [row0, row1), and norms if there is a place for the gradient's."""
    cdef Py_ssize_t begin = first_element(p, row0), end = first_element(p, row1)
    cdef Py_ssize_t offset = begin * plan.leaf.real_bytes, chunk = row0 // p.chunk_rows
    cdef void *state[RULE_STATES]
    cdef int i
    cdef Norms norms = Norms(
        weight=p.norms.weight + chunk, gradient=gradient_norms + chunk, update=p.norms.update + chunk,
        ratios=NULL,
    )
    if step.counting and p.counted:
        norms.ratios = plan.ratios + step.thread * plan.ratio_stride
    for i in range(RULE_STATES):
        state[i] = <char *>p.state[i] + offset if p.state[i] != NULL else NULL
    plan.leaf.update[<int>plan.rule](
        <char *>p.value.data + offset, state, <char *>p.gradient.data + offset,
        end - begin, p.chunk_rows * p.value.cols, update, &norms if gradient_norms != NULL else NULL,
    )
    if norms.ratios != NULL:
        plan.leaf.count(
            table_of(plan, book, RATIO_BINS, step.thread), norms.ratios, (row1 - row0) * p.value.cols
        )


cdef void norm_rows(
    Plan *plan, Parameter *p, double *norms, void *data, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    """Norms of the chunks in rows [row0, row1) of one parameter's value or gradient."""
    cdef Py_ssize_t begin = first_element(p, row0), end = first_element(p, row1)
    plan.leaf.chunk_norms(
        norms + row0 // p.chunk_rows, <char *>data + begin * plan.leaf.real_bytes,
        end - begin, p.chunk_rows * p.value.cols,
    )


cdef void write_treated(
    Plan *plan, Parameter *p, const Step *step, Py_ssize_t row0, Py_ssize_t row1, Factor factor
) noexcept nogil:
    """The treated gradient in the place of the raw one."""
    cdef Py_ssize_t begin = first_element(p, row0), elements = (row1 - row0) * p.value.cols
    cdef void *g = <char *>p.gradient.data + begin * plan.leaf.real_bytes
    if plan.treatment.clip_adaptive < INFINITY:
        plan.leaf.scale_columns(p.gradient, p.factors, row0, row1)
    else:
        plan.leaf.limit(g, first_element(p, row1) - begin, factor, plan.update.gradient_limit)
    if plan.treatment.noise > 0:
        plan.leaf.add_noise(g, elements, plan.noise_deviation, step.key, p.offset + begin)


cdef void treat_rows(
    Plan *plan, const OpBook *book, Parameter *p, const Step *step, Py_ssize_t row0, Py_ssize_t row1,
    Factor factor, bint tapped,
) noexcept nogil:
    """Treats rows [row0, row1) of a gradient, whose factors but for its columns' are `factor`, and applies
    them."""
    cdef Update update = plan.update
    cdef double *norms = p.norms.gradient
    update.rate *= book.rate
    if p.undecayed:
        update.weight_decay = 0
    update.gradient_scale, update.gradient_shrink = factor.scale, factor.shrink
    if writes(plan, tapped):
        write_treated(plan, p, step, row0, row1, factor)
        norms = p.treated_norms
        update.gradient_scale = update.gradient_shrink = 1
        if plan.treatment.noise > 0:
            update.gradient_limit = INFINITY
    update_rows(plan, book, p, step, row0, row1, &update, norms if tapped else NULL)


cdef void begin_update(Plan *plan) noexcept nogil:
    advance(&plan.update, plan.rule, plan.time)
    plan.noise_deviation = sqrt(
        plan.treatment.noise / pow(<double>plan.time, plan.treatment.noise_decay)
    )


cdef Factor clip_factor(const Plan *plan, const OpBook *book, double most, double norm) noexcept nogil:
    """An op's amplification times what torch.nn.utils.clip_grad_norm_ multiplies by: NaN if the norm is."""
    cdef double least = FLT_MIN if plan.leaf.real_bytes == sizeof(float) else DBL_MIN
    if norm + 1e-6 <= most:
        return quotient(book.amplification, 1, least)
    return quotient(book.amplification * most, norm + 1e-6, least)


cdef void take_rows(
    Plan *plan, int index, Parameter *p, const Step *step, Py_ssize_t row0, Py_ssize_t row1, bint tapped
) noexcept nogil:
    cdef OpBook *book = &plan.book[index]
    cdef bint applied = step.updating and book.rate > 0, waiting = waits(plan)
    if step.counting and p.counted:
        plan.leaf.count(
            table_of(plan, book, WEIGHT_BINS, step.thread),
            <char *>p.gradient.data + first_element(p, row0) * plan.leaf.real_bytes,
            (row1 - row0) * p.value.cols,
        )
    if tapped and not applied:
        norm_rows(plan, p, p.norms.weight, p.value.data, row0, row1)
    if tapped and (not applied or writes(plan, tapped)) or applied and waiting:
        norm_rows(plan, p, p.norms.gradient, p.gradient.data, row0, row1)
    if applied and not waiting:
        treat_rows(plan, book, p, step, row0, row1, clip_factor(plan, book, INFINITY, 0), tapped)


cdef void measure(Plan *plan, int thread, int threads) noexcept nogil:
    cdef OpBook *book
    cdef Op *op
    cdef Parameter *p
    cdef int index, i
    for index in range(cut(plan.ops, 1, thread, threads), cut(plan.ops, 1, thread + 1, threads)):
        book = &plan.book[index]
        plan.op_norms[index] = 0
        if book.rate > 0:
            plan.op_norms[index] = book.amplification * combined_norm(
                book.gradient_norms, book.gradient_chunks
            )
    if plan.treatment.clip_adaptive == INFINITY:
        return
    for index in range(plan.ops):
        op = &plan.op[index]
        for i in range(op.parameters):
            p = &op.parameter[i]
            plan.leaf.adaptive_factors(
                p.factors, p.value, p.gradient, plan.book[index].amplification,
                plan.treatment.clip_adaptive, p.rows, cut(p.value.cols, UNITS, thread, threads),
                cut(p.value.cols, UNITS, thread + 1, threads),
            )


cdef void update_all(Plan *plan, const Step *step, int threads, bint tapped) noexcept nogil:
    cdef double norm = combined_norm(plan.op_norms, plan.ops)
    cdef Py_ssize_t i0, i1, end
    cdef Factor factor
    cdef OpBook *book
    cdef Parameter *p
    cdef int index, i
    for index in range(plan.ops):
        book = &plan.book[index]
        if plan.treatment.clip_layer_norm < INFINITY:
            factor = clip_factor(plan, book, plan.treatment.clip_layer_norm, plan.op_norms[index])
        else:
            factor = clip_factor(plan, book, plan.treatment.clip_norm, norm)
        if step.thread == 0:
            book.factor = factor
        for i in range(plan.op[index].parameters):
            p = &plan.op[index].parameter[i]
            if not p.trained or book.rate == 0:
                continue
            i1 = cut(p.rows, p.chunk_rows, step.thread, threads)
            end = cut(p.rows, p.chunk_rows, step.thread + 1, threads)
            while i1 < end:
                i0, i1 = i1, min(i1 + p.block_rows, end)
                if step.updating:
                    treat_rows(plan, book, p, step, i0, i1, factor, tapped)
                elif tapped:
                    norm_rows(plan, p, p.norms.weight, p.value.data, i0, i1)
