/* Losses: each row's share of the loss, and its gradient with respect to the outputs h, or with respect to
 * the logits z where the loss is fused with the output's activation (kinds named *_LOGITS). Where h feeds the next
 * timestep it stays, and the loss reads z beside it (VG_BINARY_STATES).
 *
 * Stable at any logit: the fused losses never take the logarithm of a probability. Rows of h, y and delta are
 * padded to whole vectors. A smoothed target is kept y + spread.
 */

typedef struct {
    double value, slope; /* of the loss of one output, and with respect to it */
} Term;

INLINE Term mse_term(double h, double y, double p) {
    (void)p;
    const double error = h - y;
    return (Term){error * error, 2 * error};
}

INLINE Term mae_term(double h, double y, double p) {
    (void)p;
    const double error = h - y;
    return (Term){fabs(error), error > 0 ? 1 : error < 0 ? -1 : error};
}

/* error^2 / 2 up to p, and a line from there on (Huber 1964) */
INLINE Term huber_term(double h, double y, double p) {
    const double error = h - y, size = fabs(error);
    if (size > p) return (Term){p * (size - 0.5 * p), error > 0 ? p : -p};
    return (Term){0.5 * error * error, error};
}

/* log cosh error, which is log1p(2 sinh^2(error / 2)) */
INLINE Term log_cosh_term(double h, double y, double p) {
    (void)p;
    const double error = h - y, size = fabs(error), root = sinh(0.5 * (size < 1 ? size : 1));
    return (Term){size > 1 ? size + log1p(exp(-2 * size)) - M_LN2 : log1p(2 * root * root), tanh(error)};
}

/* max(0, 1 - y h), for y of -1 and 1 */
INLINE Term hinge_term(double h, double y, double p) {
    (void)p;
    const double margin = 1 - y * h;
    return (Term){no_less(margin, 0), margin <= 0 ? 0 : -y};
}

INLINE Term squared_hinge_term(double h, double y, double p) {
    (void)p;
    const double margin = no_less(1 - y * h, 0);
    return (Term){margin * margin, -2 * y * margin};
}

/* h - y log h of a rate h; its logarithm is cut at that of p */
INLINE Term poisson_term(double h, double y, double p) {
    const double rate = no_less(h, p);
    return (Term){h - y * log(rate), 1 - y / rate};
}

/* e^z - y z, of a rate e^z */
INLINE Term poisson_exponent_term(double z, double y, double p) {
    (void)p;
    const double rate = exp(z);
    return (Term){rate - y * z, rate - y};
}

INLINE double elementwise_row(Term (*term)(double, double, double), real *delta, const real *h, const real *y,
                              ptrdiff_t n, const vg_loss_call *call) {
    const double scale = call->scale, parameter = call->parameter;
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const Term at = term(h[j], y[j], parameter);
        sum += at.value;
        delta[j] = (real)(scale * at.slope);
    }
    return sum * scale;
}

/* scale (softplus(z) - y log softplus(z)) of a rate softplus(z); far below 0 its logarithm is z */
static double poisson_logits_row(real *delta, real *h, const real *y, ptrdiff_t n, const vg_loss_call *call) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const double z = h[j], target = y[j], tail = exp(-fabs(z));
        const double rate = (z > 0 ? z : 0) + log1p(tail), slope = z > 0 ? 1 / (1 + tail) : tail / (1 + tail);
        const int far = z < -36;
        sum += rate - target * (far ? z : log(rate));
        delta[j] = (real)(call->scale * (slope - target * (far ? 1 : slope / rate)));
        if (call->apply_activation) h[j] = (real)rate;
    }
    return sum * call->scale;
}

/* scale (1 - h . y / (|h| |y|)); each norm is at least 1e-8, as in torch.nn.functional.cosine_similarity */
static double cosine_row(real *delta, const real *h, const real *y, ptrdiff_t n, double scale) {
    double product = 0, h_square = 0, y_square = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        product += (double)h[j] * y[j];
        h_square += (double)h[j] * h[j];
        y_square += (double)y[j] * y[j];
    }
    const double h_norm = no_less(sqrt(h_square), 1e-8), y_norm = no_less(sqrt(y_square), 1e-8);
    const double cosine = product / h_norm / y_norm, back = h_norm > 1e-8 ? cosine / h_norm : 0;
    for (ptrdiff_t j = 0; j < n; j++)
        delta[j] = (real)(scale * (back * (h[j] / h_norm) - y[j] / y_norm / h_norm));
    return scale * (1 - cosine);
}

/* -scale (y log h + (1 - y) log(1 - h)); logarithms are cut at -100 and the slope's divisor at 1e-12, as in
 * torch.nn.BCELoss */
static double binary_row(real *delta, const real *h, const real *y, ptrdiff_t n, const vg_loss_call *call) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        const double p = h[j], target = call->kept * y[j] + call->spread;
        sum -= target * no_less(log(p), -100) + (1 - target) * no_less(log1p(-p), -100);
        delta[j] = (real)(call->scale * (p - target) / no_less(p * (1 - p), 1e-12));
    }
    return sum * call->scale;
}

/* scale (log(1 + e^z) - z y);  dL/dz = scale (sigmoid(z) - y). Neither cancels, so that what is all but learned
 * still has its gradient.
 * `states`: dL/dh of h = sigmoid(z) instead, which sigmoid_backward takes back to dL/dz. */
INLINE double binary_logits_row(real *delta, real *h, const real *y, ptrdiff_t n, const vg_loss_call *call,
                                const int states) {
    const vec kept = all((real)call->kept), spread = all((real)call->spread), scale = all((real)call->scale);
    const int apply = !states && call->apply_activation;
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec z = load(h + j), target = rounded(kept * load(y + j)) + spread;
        const vec tail = vexp(-magnitude(z)), rest = 1 - target;
        const mask inside = first(n - j), positive = z > all(0);
        const vec held = states ? held_tail(tail) : tail, large = 1 / (1 + held), small = held * large;
        const vec p = choose(positive, large, small), q = choose(positive, small, large);
        const vec error = (rest * p - target * q) * scale;
        sum += lane_sum(keep(inside, vlog1p_unit(tail) + choose(positive, rest * z, -target * z)));
        store(delta + j, keep(inside, states ? error / (large * small) : error));
        if (apply) store(h + j, vsigmoid(z));
    }
    return sum * call->scale;
}

/* scale sum_j y_j (log(sum_k e^z_k) - z_j);  dL/dz = scale (softmax(z) sum(y) - y).
 * y NULL: one-hot at `label`. */
static double categorical_logits_row(real *delta, real *h, const real *y, int64_t label, ptrdiff_t n,
                                     const vg_loss_call *call) {
    const real top = largest_of(h, n);
    const vec kept = all((real)call->kept), spread = all((real)call->spread), scale = all((real)call->scale);
    const int apply = call->apply_activation;
    double sum = 0, weight = 1, linear = 0;
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec e = keep(first(n - j), vexp(load(h + j) - top));
        store(delta + j, e);
        sum += lane_sum(e);
    }
    if (y) {
        weight = 0;
        for (ptrdiff_t j = 0; j < n; j++) {
            weight += call->kept * y[j] + call->spread;
            linear += call->kept * y[j] * h[j];
        }
    } else {
        linear = call->kept * h[label];
    }
    if (call->spread > 0)
        for (ptrdiff_t j = 0; j < n; j++) linear += call->spread * h[j];
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec p = load(delta + j) * (real)(1 / sum);
        const vec target = (y ? rounded(kept * load(y + j)) : all(0)) + spread;
        if (apply) store(h + j, p);
        store(delta + j, keep(first(n - j), (p * (real)weight - target) * scale));
    }
    if (!y) delta[label] -= (real)(call->kept * call->scale);
    return ((top + log(sum)) * weight - linear) * call->scale;
}

/* scale sum_j y_j log y_j: what makes a cross-entropy a divergence */
static double negative_entropy(const real *y, ptrdiff_t n, double scale) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        if (y[j] > 0) sum += y[j] * log(y[j]);
    return sum * scale;
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

/* The first of the largest; the last of all where any is NaN. */
static ptrdiff_t class_of(const real *x, ptrdiff_t n) {
    const real top = largest_of(x, n);
    ptrdiff_t best = 0;
    while (best < n - 1 && x[best] != top) best++;
    return best;
}

/* Whether c is the first of the largest; never where any is NaN. */
static int is_class(const real *x, ptrdiff_t n, ptrdiff_t c) {
    const real top = largest_of(x, n);
    whole before = 0;
    if (x[c] != top) return 0;
    for (ptrdiff_t j = 0; j < c; j++) before += x[j] == top;
    return before == 0;
}

/* How right a row's outputs, or logits, are: 1 where the class is, or the share of labels that are. */
static double judge(const real *h, const real *y, int64_t label, ptrdiff_t n, const vg_judge *judge) {
    const vec middle = all((real)judge->middle), target_middle = all((real)judge->target_middle);
    vec right = {0};
    if (judge->by_class) return is_class(h, n, y ? class_of(y, n) : label);
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const vec told = load(h + j), target = load(y + j);
        const mask yes = (told > middle) & (target > target_middle), no = (told <= middle) & (target <= target_middle);
        right += keep((yes | no) & first(n - j), all(1));
    }
    return lane_sum(right) / (double)n;
}

static double loss_row(real *d, real *h, const real *y, int64_t label, ptrdiff_t n, const vg_loss_call *call) {
    switch (call->kind) {
    case VG_MSE: return elementwise_row(mse_term, d, h, y, n, call);
    case VG_MAE: return elementwise_row(mae_term, d, h, y, n, call);
    case VG_HUBER: return elementwise_row(huber_term, d, h, y, n, call);
    case VG_LOG_COSH: return elementwise_row(log_cosh_term, d, h, y, n, call);
    case VG_HINGE: return elementwise_row(hinge_term, d, h, y, n, call);
    case VG_SQUARED_HINGE: return elementwise_row(squared_hinge_term, d, h, y, n, call);
    case VG_POISSON: return elementwise_row(poisson_term, d, h, y, n, call);
    case VG_POISSON_EXPONENT: return elementwise_row(poisson_exponent_term, d, h, y, n, call);
    case VG_POISSON_LOGITS: return poisson_logits_row(d, h, y, n, call);
    case VG_COSINE: return cosine_row(d, h, y, n, call->scale);
    case VG_BINARY: return binary_row(d, h, y, n, call);
    case VG_BINARY_LOGITS: return binary_logits_row(d, h, y, n, call, 0);
    case VG_BINARY_STATES: return binary_logits_row(d, h, y, n, call, 1);
    case VG_CATEGORICAL_LOGITS: return categorical_logits_row(d, h, y, label, n, call);
    case VG_DIVERGENCE_LOGITS:
        return categorical_logits_row(d, h, y, label, n, call) + negative_entropy(y, n, call->scale);
    case VG_LINEAR: return linear_row(d, h, y, n, call->scale);
    }
    return 0;
}

/* A row that does not count, whatever its outputs are. */
static double no_loss(real *delta, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) delta[j] = 0;
    return 0;
}

static void loss(double *row_loss, vg_matrix delta, vg_matrix h, vg_matrix y, const vg_loss_call *call,
                 const vg_rows *rows) {
    const ptrdiff_t n = h.cols;
    FOR_ROWS(r, rows) {
        real *d = (real *)delta.data + r * delta.ld, *hr = (real *)h.data + r * h.ld;
        const real *target = call->labels ? NULL : (const real *)y.data + r * y.ld;
        const int64_t label = call->labels ? call->labels[r] : 0;
        const double weight = call->weights ? call->weights[r] : 1;
        const int ignored = label < 0;
        if (call->judge.right)
            call->judge.right[r] = ignored || weight == 0 ? 0 : judge(hr, target, label, n, &call->judge);
        row_loss[r] = loss_row(d, hr, target, ignored ? 0 : label, n, call);
        if (ignored || weight == 0) {
            row_loss[r] = no_loss(d, n);
        } else if (weight != 1) {
            row_loss[r] *= weight;
            for (ptrdiff_t j = 0; j < n; j++) d[j] *= (real)weight;
        }
    }
}
