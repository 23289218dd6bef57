/* Factors of gradients. Clipping a gradient of norm 1e38 takes one that is itself too small for a real, and is flushed to
 * 0 where it is computed, though its product with the gradient is not.
 */
#ifndef VG_FACTOR_H
#define VG_FACTOR_H

/* In two parts to be multiplied with one after the other: `shrink` is 1 or the least normal number. */
typedef struct {
    double scale, shrink;
} vg_factor;

/* a / b, of a gradient whose least normal number is `least`. */
static inline vg_factor vg_quotient(double a, double b, double least) {
    const double whole = a / b;
    return whole < least ? (vg_factor){a / (b * least), least} : (vg_factor){whole, 1};
}

#endif
