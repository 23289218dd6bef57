/* Activations of vectors: f(z), and its slope f'(z), which may be computed from z or from h = f(z); the caller
 * keeps z apart from h for those that need it.
 */
#define SELU_SCALE ((real)1.0507009873554804934193349852946)
#define SELU_ALPHA ((real)1.6732632423543772848170429916717)

typedef vec (*Value)(vec z, vec alpha);
typedef vec (*Slope)(vec z, vec h, vec alpha);

INLINE vec identity_value(vec z, vec alpha) { (void)alpha; return z; }
INLINE vec identity_slope(vec z, vec h, vec alpha) { (void)z, (void)h, (void)alpha; return all(1); }

INLINE vec sigmoid_value(vec z, vec alpha) { (void)alpha; return vsigmoid(z); }
INLINE vec sigmoid_slope(vec z, vec h, vec alpha) { (void)z, (void)alpha; return h * (1 - h); }

/* Of e^-|z|: no less than what its inverse, times a loss's scale, leaves finite. */
#if REAL_BITS == 32
#define LEAST_TAIL 0x1p-100f
#else
#define LEAST_TAIL 0x1p-1000
#endif
INLINE vec held_tail(vec tail) { return at_least(tail, all(LEAST_TAIL)); }

/* From z it is nowhere 0, as it is where h rounds to 1. */
INLINE vec held_sigmoid_slope(vec z, vec h, vec alpha) {
    (void)h, (void)alpha;
    const vec tail = held_tail(vexp(-magnitude(z))), large = 1 / (1 + tail);
    return tail * large * large;
}

INLINE vec tanh_value(vec z, vec alpha) { (void)alpha; return vtanh(z); }
INLINE vec tanh_slope(vec z, vec h, vec alpha) { (void)z, (void)alpha; return 1 - h * h; }

INLINE vec relu_value(vec z, vec alpha) { (void)alpha; return choose(z <= all(0), all(0), z); } /* no -0 */
INLINE vec relu_slope(vec z, vec h, vec alpha) {
    (void)z, (void)alpha;
    return keep(~(h <= all(0)), all(1)); /* of NaN 1, as PyTorch has it */
}

INLINE vec leaky_relu_value(vec z, vec alpha) { return choose(z < all(0), alpha * z, z); }
INLINE vec leaky_relu_slope(vec z, vec h, vec alpha) {
    (void)z;
    return choose(h > all(0), all(1), alpha);
}

INLINE vec elu_value(vec z, vec alpha) {
    const vec negative = at_least(-magnitude(z), all(-EXPM1_LIMIT));
    return choose(z < all(0), alpha * vexpm1(negative, 1), z);
}
INLINE vec elu_slope(vec z, vec h, vec alpha) {
    (void)h;
    return choose(z > all(0), all(1), alpha * vexp(-magnitude(z)));
}

INLINE vec selu_value(vec z, vec alpha) { (void)alpha; return SELU_SCALE * elu_value(z, all(SELU_ALPHA)); }
INLINE vec selu_slope(vec z, vec h, vec alpha) {
    (void)alpha;
    return SELU_SCALE * elu_slope(z, h, all(SELU_ALPHA));
}

INLINE vec gelu_value(vec z, vec alpha) { (void)alpha; return z * vnormal_cdf(z); }
INLINE vec gelu_slope(vec z, vec h, vec alpha) {
    (void)h, (void)alpha;
    const vec density = (real)0.39894228040143267794 * vexp((real)-0.5 * z * z);
    return vnormal_cdf(z) + z * density;
}

INLINE vec silu_value(vec z, vec alpha) { (void)alpha; return z * vsigmoid(z); }
INLINE vec silu_slope(vec z, vec h, vec alpha) {
    (void)h, (void)alpha;
    const vec s = vsigmoid(z);
    return s * (1 + z * (1 - s));
}

INLINE vec softplus_value(vec z, vec alpha) { (void)alpha; return vsoftplus(z); }
INLINE vec softplus_slope(vec z, vec h, vec alpha) { (void)h, (void)alpha; return vsigmoid(z); }

INLINE vec softsign_value(vec z, vec alpha) { (void)alpha; return z / (1 + magnitude(z)); }
INLINE vec softsign_slope(vec z, vec h, vec alpha) {
    (void)h, (void)alpha;
    const vec size = 1 + magnitude(z);
    return 1 / (size * size);
}

INLINE vec hard_sigmoid_value(vec z, vec alpha) {
    const vec width = 1 / alpha, line = (z + width * (real)0.5) / width;
    return choose(line < all(0), all(0), choose(line > all(1), all(1), line));
}
INLINE vec hard_sigmoid_slope(vec z, vec h, vec alpha) {
    (void)z;
    return keep((h > all(0)) & (h < all(1)), alpha);
}

/* tanh(log(1 + e^z)) is n / (n + 2) with n = e^z (e^z + 2); both are taken times e^-2z above 0. */
typedef struct {
    vec gate, rest; /* tanh(softplus(z)), and 1 - its square */
} MishGate;

INLINE MishGate mish_gate(vec z) {
    const vec tail = vexp(-magnitude(z)), square = tail * tail;
    const mask above = z > all(0);
    const vec one = choose(above, square, all(1)), n = choose(above, 1 + 2 * tail, square + 2 * tail);
    const vec sum = n + 2 * one;
    return (MishGate){n / sum, 4 * ((n + one) / sum) * (one / sum)};
}
INLINE vec mish_value(vec z, vec alpha) { (void)alpha; return z * mish_gate(z).gate; }
INLINE vec mish_slope(vec z, vec h, vec alpha) {
    (void)h, (void)alpha;
    const MishGate m = mish_gate(z);
    return m.gate + z * m.rest * vsigmoid(z);
}

/* The sigmoid of 2 sqrt(2 / pi) (z + 0.044715 z^3), which is 0 or 1 far from 0. */
#define GELU_TANH_SCALE ((real)1.5957691216057307117597842397375)
#define GELU_TANH_CUBE ((real)0.044715)
INLINE vec gelu_tanh_near(vec z) { return at_least(at_most(z, all(30)), all(-30)); }
INLINE vec gelu_tanh_gate(vec near) {
    return vsigmoid(GELU_TANH_SCALE * near * (1 + GELU_TANH_CUBE * near * near));
}
INLINE vec gelu_tanh_value(vec z, vec alpha) { (void)alpha; return z * gelu_tanh_gate(gelu_tanh_near(z)); }
INLINE vec gelu_tanh_slope(vec z, vec h, vec alpha) {
    (void)h, (void)alpha;
    const vec near = gelu_tanh_near(z), s = gelu_tanh_gate(near);
    return s + s * (1 - s) * near * GELU_TANH_SCALE * (1 + 3 * GELU_TANH_CUBE * near * near);
}

INLINE vec hard_swish_value(vec z, vec alpha) {
    (void)alpha;
    return z * (at_most(at_least(z + 3, all(0)), all(6)) / 6);
}
INLINE vec hard_swish_slope(vec z, vec h, vec alpha) {
    (void)h, (void)alpha;
    return choose(z <= all(-3), all(0), choose(z >= all(3), all(1), (2 * z + 3) / 6));
}

INLINE vec relu6_value(vec z, vec alpha) { return at_most(relu_value(z, alpha), all(6)); }
INLINE vec relu6_slope(vec z, vec h, vec alpha) {
    (void)z, (void)alpha;
    return keep(~((h <= all(0)) | (h >= all(6))), all(1));
}

INLINE vec celu_value(vec z, vec alpha) {
    return choose(z < all(0), alpha * vexpm1(at_least(-magnitude(z) / alpha, all(-EXPM1_LIMIT)), 1), z);
}
INLINE vec celu_slope(vec z, vec h, vec alpha) {
    (void)h;
    return choose(z > all(0), all(1), vexp(-magnitude(z) / alpha));
}

INLINE vec snake_value(vec z, vec alpha) {
    const vec s = vsin(alpha * z);
    return z + s * s / alpha;
}
INLINE vec snake_slope(vec z, vec h, vec alpha) { (void)h; return 1 + vsin(2 * alpha * z); }
