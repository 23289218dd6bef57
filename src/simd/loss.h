/* Losses: each row's share of the loss, and its gradient with respect to the outputs h, or with respect to
 * the logits z where the loss is fused with the output's activation (kinds named *_LOGITS). Where h feeds the next
 * timestep it stays, and the loss reads z beside it (VG_BINARY_STATES).
 *
 * Stable at any logit: the fused losses never take the logarithm of a probability. Rows of h, y and delta are
 * padded to whole vectors.
 */

/* scale (h - y)^2 */
static double mse_row(real *delta, const real *h, const real *y, ptrdiff_t n, double scale) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const double error = (double)h[j] - y[j];
        sum += error * error;
        delta[j] = (real)(2 * scale * error);
    }
    return sum * scale;
}

/* -scale (y log h + (1 - y) log(1 - h)); logarithms are cut at -100 and the slope's divisor at 1e-12, as in
 * torch.nn.BCELoss */
static double binary_row(real *delta, const real *h, const real *y, ptrdiff_t n, double scale) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const double p = h[j], target = y[j];
        sum -= target * no_less(log(p), -100) + (1 - target) * no_less(log1p(-p), -100);
        delta[j] = (real)(scale * (p - target) / no_less(p * (1 - p), 1e-12));
    }
    return sum * scale;
}

/* scale (log(1 + e^z) - z y);  dL/dz = scale (sigmoid(z) - y). Neither cancels, so that what is all but learned
 * still has its gradient.
 * `states`: dL/dh of h = sigmoid(z) instead, which sigmoid_backward takes back to dL/dz. */
INLINE double binary_logits_row(real *delta, real *h, const real *y, ptrdiff_t n, double scale, const int states,
                                int apply) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec z = load(h + j), target = load(y + j), tail = vexp(-magnitude(z)), rest = 1 - target;
        const mask inside = first(n - j), positive = z > all(0);
        const vec held = states ? held_tail(tail) : tail, large = 1 / (1 + held), small = held * large;
        const vec p = choose(positive, large, small), q = choose(positive, small, large);
        const vec error = (rest * p - target * q) * (real)scale;
        sum += lane_sum(keep(inside, vlog1p_unit(tail) + choose(positive, rest * z, -target * z)));
        store(delta + j, keep(inside, states ? error / (large * small) : error));
        if (apply) store(h + j, vsigmoid(z));
    }
    return sum * scale;
}

/* scale sum_j y_j (log(sum_k e^z_k) - z_j);  dL/dz = scale (softmax(z) sum(y) - y).
 * y NULL: one-hot at `label`. */
static double categorical_logits_row(real *delta, real *h, const real *y, int64_t label, ptrdiff_t n,
                                     double scale, int apply) {
    const real top = largest_of(h, n);
    double sum = 0, weight = 1, linear = y ? 0 : h[label];
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec e = keep(first(n - j), vexp(load(h + j) - top));
        store(delta + j, e);
        sum += lane_sum(e);
    }
    if (y) {
        weight = 0;
        for (ptrdiff_t j = 0; j < n; j++) {
            weight += y[j];
            linear += (double)y[j] * h[j];
        }
    }
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec p = load(delta + j) * (real)(1 / sum);
        const vec target = y ? load(y + j) : all(0);
        if (apply) store(h + j, p);
        store(delta + j, (p * (real)weight - target) * (real)scale);
    }
    if (!y) delta[label] -= (real)scale;
    return ((top + log(sum)) * weight - linear) * scale;
}

/* scale y h */
static double linear_row(real *delta, const real *h, const real *y, ptrdiff_t n, double scale) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        sum += (double)h[j] * y[j];
        delta[j] = (real)(scale * y[j]);
    }
    return sum * scale;
}

static void loss(double *row_loss, vg_matrix delta, vg_matrix h, vg_matrix y, const vg_loss_call *call,
                 const vg_rows *rows) {
    FOR_ROWS(r, rows) {
        real *d = (real *)delta.data + r * delta.ld, *hr = (real *)h.data + r * h.ld;
        const real *target = call->labels ? NULL : (const real *)y.data + r * y.ld;
        const int64_t label = call->labels ? call->labels[r] : 0;
        switch (call->kind) {
        case VG_MSE: row_loss[r] = mse_row(d, hr, target, h.cols, call->scale); break;
        case VG_BINARY: row_loss[r] = binary_row(d, hr, target, h.cols, call->scale); break;
        case VG_BINARY_LOGITS:
            row_loss[r] = binary_logits_row(d, hr, target, h.cols, call->scale, 0, call->apply_activation);
            break;
        case VG_BINARY_STATES:
            row_loss[r] = binary_logits_row(d, hr, target, h.cols, call->scale, 1, 0);
            break;
        case VG_CATEGORICAL_LOGITS:
            row_loss[r] =
                categorical_logits_row(d, hr, target, label, h.cols, call->scale, call->apply_activation);
            break;
        case VG_LINEAR: row_loss[r] = linear_row(d, hr, target, h.cols, call->scale); break;
        }
    }
}
