"""What the tracker records of a step: the taps of all rows and timesteps, joined.

Timesteps are joined from the last to the first and chunks of rows in order, so that a record is the same for
any number of threads and however time is cut into windows.
"""

from libc.math cimport INFINITY, NAN, hypot, isnan, sqrt
from libc.string cimport memset

from .op cimport MAX_GATES, Op, OpTaps, Parameter, TIMESTEPS, chunk_count, places_in, row_chunks
from .plan cimport OP_FIELDS, OpBook, PARAMETER_FIELDS, Plan, Run, Seen, TIME_FIELDS, writes
from .simd cimport ROW_CHUNK
from .window cimport Share, cut, living_rows, runs_now

# A sum of squares between these has lost nothing to over- or underflow.
cdef double SMALLEST = 1e-280, LARGEST = 1e300


cdef double combined_norm(const double *norms, Py_ssize_t n) noexcept nogil:
    cdef double top = 0, sum = 0
    cdef Py_ssize_t i
    for i in range(n):
        sum += norms[i] * norms[i]
    if SMALLEST < sum < LARGEST:
        return sqrt(sum)
    for i in range(n):
        if isnan(norms[i]):
            return NAN
        top = max(top, norms[i])
    if not (0 < top < INFINITY):
        return top
    sum = 0
    for i in range(n):
        sum += (norms[i] / top) * (norms[i] / top)
    return top * sqrt(sum)


cdef inline double hypotenuse(double a, double b, double c) noexcept nogil:
    """The root of the sum of squares."""
    cdef double square = a * a + b * b + c * c
    if SMALLEST < square < LARGEST or isnan(square):
        return sqrt(square)
    return hypot(hypot(a, b), c)


cdef inline double chunk_rows(Py_ssize_t rows, Py_ssize_t chunk) noexcept nogil:
    """How many of so many rows are in a chunk."""
    return <double>min(ROW_CHUNK, rows - chunk * ROW_CHUNK)


cdef double spread_of_means(
    const double *means, double mean, Py_ssize_t rows, Py_ssize_t places, Py_ssize_t cols
) noexcept nogil:
    """The norm of the differences from `mean` if each number were the mean of its chunk."""
    cdef Py_ssize_t chunks = row_chunks(rows), place, c
    cdef double square = 0, spread = 0, apart
    for place in range(places):
        for c in range(chunks):
            apart = means[place * chunks + c] - mean
            square += chunk_rows(rows, c) * apart * apart
    if SMALLEST < square < LARGEST:
        return sqrt(cols * square)
    for place in range(places):
        for c in range(chunks):
            apart = means[place * chunks + c] - mean
            spread = hypotenuse(spread, sqrt(<double>cols * chunk_rows(rows, c)) * apart, 0)
    return spread


cdef void see_outputs(
    Seen *seen, const OpTaps *taps, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t places, Py_ssize_t cols
) noexcept nogil:
    """Means and deviations of chunks from entry `first` on, and what was seen (Chan et al. 1979, eq. 2.1)."""
    cdef Py_ssize_t chunks = row_chunks(rows), place, c
    cdef const double *means = taps.layer.mean + first
    cdef double new = <double>rows * places * cols, share = 1 / (<double>rows * places), mean = 0, apart
    for place in range(places):
        for c in range(chunks):
            mean += share * chunk_rows(rows, c) * (means[place * chunks + c] - means[0])
    mean += means[0]
    if isnan(mean):  # of infinite ones, perhaps, which have no differences
        mean = 0
        for place in range(places):
            for c in range(chunks):
                mean += share * chunk_rows(rows, c) * means[place * chunks + c]
    apart = mean - seen.mean
    seen.deviation = hypotenuse(
        hypotenuse(
            combined_norm(taps.layer.deviation + first, places * chunks),
            spread_of_means(means, mean, rows, places, cols), 0,
        ),
        seen.deviation, apart * sqrt(seen.count * new / (seen.count + new)),
    )
    seen.mean += apart * (new / (seen.count + new))
    seen.count += new


cdef void see_places(
    const Op *op, OpBook *book, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t places, double *out
) noexcept nogil:
    """The taps of `places` from entry `first` on; with `out`, of a timestep: its row of the time record."""
    cdef Py_ssize_t chunks = row_chunks(rows) * places, c
    cdef const OpTaps *taps = &book.taps
    cdef double norm, saturated
    cdef int gate
    for gate in range(op.gates):
        norm = combined_norm(taps.gate_norm[gate] + first, chunks)
        saturated = 0
        for c in range(chunks):
            saturated += taps.gate_saturated[gate][first + c]
        book.seen.delta = hypotenuse(book.seen.delta, norm, 0)
        book.seen.saturated += saturated / op.gates
        if out != NULL:
            out[3 + gate] = norm
            out[3 + MAX_GATES + gate] = saturated / (rows * op.h.cols) if rows > 0 else 0
    if rows > 0:
        see_outputs(&book.seen, taps, first, rows, places, op.h.cols)
    if op.branches:
        book.seen.skip = hypotenuse(book.seen.skip, combined_norm(taps.skip + first, chunks), 0)
        book.seen.body = hypotenuse(book.seen.body, combined_norm(taps.body + first, chunks), 0)
    if out != NULL:
        out[0] = combined_norm(taps.total + first, chunks)
        out[1] = combined_norm(taps.direct + first, chunks)
        if op.states > 1:
            out[2] = combined_norm(taps.cell + first, chunks)


cdef inline Py_ssize_t tapped_places(const Op *op) noexcept nogil:
    """Places that an op's taps are of: of its outputs, but of the timesteps of a walk."""
    return op.x_places if op.states > 0 else op.h_places


cdef void record_window(
    Run *run, Share *share, Py_ssize_t row, Py_ssize_t time0, bint complete, int threads
) noexcept nogil:
    cdef Plan *plan = run.plan
    cdef OpBook *book
    cdef Op *op
    cdef double *out
    cdef double *time_out
    cdef Py_ssize_t per_step = row_chunks(share.step.rows), t, places, together, rows
    cdef int index, thread = share.step.thread
    for index in range(cut(plan.ops, 1, thread, threads), cut(plan.ops, 1, thread + 1, threads)):
        op = &plan.op[index]
        book = &plan.book[index]
        if not share.step.accumulating:
            memset(&book.seen, 0, sizeof(Seen))
        places = tapped_places(op)
        if runs_now(share, places):
            together = places if places != TIMESTEPS and book.time_index < 0 else 1
            t = places_in(places, &share.step)
            while t > 0:
                t -= together
                time_out = NULL
                rows = living_rows(run, share, t) if places == TIMESTEPS else share.step.rows
                if book.time_index >= 0:
                    time_out = run.time_record + (
                        (row * run.time_ops + book.time_index) * run.record_times + share.time - time0 + t
                    ) * TIME_FIELDS
                see_places(op, book, t * per_step, rows, together, time_out)
        if complete:
            out = run.op_record + (row * plan.ops + index) * OP_FIELDS
            out[0] = book.seen.delta
            out[1] = book.seen.mean if book.seen.count > 0 else NAN
            out[2] = book.seen.deviation / sqrt(book.seen.count)
            out[3] = book.seen.saturated / book.seen.count
            out[4] = NAN if isnan(out[3]) else <double>plan.leaf.dead_units(
                book.taps.layer.slopes, book.slope_stride, threads, op.h.cols
            ) / op.h.cols
            out[5] = book.seen.skip
            out[6] = book.seen.body
            record_parameters(run, index, row, share.step.updating)


cdef void record_parameters(Run *run, int index, Py_ssize_t row, bint applied) noexcept nogil:
    """Norms of the parameters of one op, into row `row` of the record."""
    cdef Plan *plan = run.plan
    cdef const OpBook *book = &plan.book[index]
    cdef Parameter *p
    cdef Py_ssize_t chunks
    cdef int i
    cdef double *out = run.parameter_record + (
        row * run.parameters + book.first_parameter
    ) * PARAMETER_FIELDS
    for i in range(plan.op[index].parameters):
        p = &plan.op[index].parameter[i]
        chunks = chunk_count(p) if p.trained else 0
        out[0] = combined_norm(p.norms.weight, chunks)
        out[1] = combined_norm(p.norms.gradient, chunks)
        out[2] = out[3] = NAN
        if applied and book.rate > 0:
            out[2] = combined_norm(p.norms.update, chunks)
            out[3] = book.factor.scale * (book.factor.shrink * out[1])
            if writes(plan, True):
                out[3] = combined_norm(p.treated_norms, chunks)
        out += PARAMETER_FIELDS
