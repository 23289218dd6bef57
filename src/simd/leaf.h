/* The contract of the leaf kernels: one table of functions per CPU level and dtype.
 *
 * Leaf kernels know numbers, not layers. Every function takes whole matrices and the range of rows
 * [row0, row1) that the calling thread owns, reads nothing it is not given and allocates nothing. Elements
 * are float32 or float64 by the table they were taken from; sums that are reported are double. Inputs are
 * const; outputs come first.
 *
 * Rows in ranges start at multiples of VG_ROW_CHUNK, and everything that is summed over rows is summed
 * chunk by chunk, so a result never depends on how many threads shared the work.
 */
#ifndef VG_LEAF_H
#define VG_LEAF_H

#include <stddef.h>
#include <stdint.h>

/* Rows of a batch are handed to threads in chunks of this many. */
#define VG_ROW_CHUNK 8

typedef struct {
    void *data;
    ptrdiff_t ld;   /* elements from one row to the next; matrices in the arena are padded to whole vectors */
    ptrdiff_t cols;
} vg_matrix;

typedef enum {
    VG_IDENTITY,
    VG_SIGMOID,
    VG_TANH,
    VG_RELU,
    VG_LEAKY_RELU,
    VG_ELU,
    VG_SELU,
    VG_GELU,
    VG_SILU,
    VG_SOFTPLUS,
    VG_SOFTSIGN,
    VG_HARD_SIGMOID,
    VG_SOFTMAX
} vg_activation;

/* What activation_backward records of a layer while it computes delta; one entry per row chunk. */
typedef struct {
    double *delta_norm; /* L2 norm of delta */
    double *mean;       /* of the outputs h */
    double *deviation;  /* the L2 norm of h - mean */
    double *saturated;  /* how many outputs whose slope is below 5 % of the activation's steepest */
    void *slopes;       /* (cols,) reals: the bits of every |slope| of the unit, or-ed: 0 where all are 0 */
} vg_taps;

typedef enum { VG_MSE, VG_BINARY, VG_BINARY_LOGITS, VG_CATEGORICAL_LOGITS } vg_loss;

typedef struct {
    vg_loss kind;
    int apply_activation;  /* logits are overwritten by the probabilities the loss derives from them */
    double scale;          /* of the reduction: 1 / (rows x cols) or 1 / rows */
    const int64_t *labels; /* (rows,) class of each row, or NULL where targets are dense */
} vg_loss_call;

typedef enum { VG_SGD, VG_ADAM, VG_RULES } vg_rule;

/* One optimizer step on part of a parameter; the flat arrays share one layout. */
typedef struct {
    double rate, weight_decay;
    double momentum; /* SGD's, or Adam's beta 1 */
    double beta2, epsilon;
    double correction1, correction2; /* Adam's 1 - beta^t */
    int nesterov;
    double gradient_scale, gradient_limit; /* of clipping by norm and by value; 1 and infinity if none */
} vg_update;

/* L2 norms per chunk of a parameter: before the update, of its gradient, of the update itself. What an earlier
 * step wrote is read: it tells which chunks need care. */
typedef struct {
    double *weight, *gradient, *update;
} vg_norms;

typedef struct {
    /* y[r] = x[r] w + b, or y[r] += x[r] w where `add`;  x (rows, in), w (in, out), b (out,) or NULL */
    void (*affine)(vg_matrix y, vg_matrix x, vg_matrix w, const void *b, int add, ptrdiff_t row0,
                   ptrdiff_t row1);
    /* dx[r] = dy[r] w^T */
    void (*affine_input)(vg_matrix dx, vg_matrix dy, vg_matrix w, ptrdiff_t row0, ptrdiff_t row1);
    /* dw[i] = sum over the first `rows` rows r of x[r, i] dy[r], for inputs i in [in0, in1) */
    void (*affine_weight)(vg_matrix dw, vg_matrix x, vg_matrix dy, ptrdiff_t rows, ptrdiff_t in0,
                          ptrdiff_t in1);
    /* db[j] = sum over the first `rows` rows r of dy[r, j], for columns j in [col0, col1) */
    void (*column_sums)(void *db, vg_matrix dy, ptrdiff_t rows, ptrdiff_t col0, ptrdiff_t col1);

    /* h = f(z); h may be z */
    void (*activation)(vg_matrix h, vg_matrix z, vg_activation f, double alpha, ptrdiff_t row0,
                       ptrdiff_t row1);
    /* delta = delta * f'(z), unless `done` says that delta is dL/dz already; taps may be NULL */
    void (*activation_backward)(vg_matrix delta, vg_matrix h, vg_matrix z, vg_activation f, double alpha,
                                int done, const vg_taps *taps, ptrdiff_t row0, ptrdiff_t row1);

    /* how many of n units have 0 in all `threads` arrays of slopes, `stride` bytes apart */
    ptrdiff_t (*dead_units)(const void *slopes, ptrdiff_t stride, int threads, ptrdiff_t n);

    /* row_loss[r] and delta[r] from the outputs h and the targets y */
    void (*loss)(double *row_loss, vg_matrix delta, vg_matrix h, vg_matrix y, const vg_loss_call *call,
                 ptrdiff_t row0, ptrdiff_t row1);

    /* optimizer steps (vg_rule indexes them) on n elements in chunks of `chunk`, both whole vectors; states
     * the rule does not use are NULL; norms may be NULL */
    void (*update[VG_RULES])(void *w, void *state1, void *state2, const void *g, ptrdiff_t n,
                             ptrdiff_t chunk, const vg_update *u, const vg_norms *norms);

    /* norm[c] = L2 norm of the c-th chunk of x */
    void (*chunk_norms)(double *norm, const void *x, ptrdiff_t n, ptrdiff_t chunk);
    /* y[r] = x[order[r]], order NULL meaning r itself; x has x.cols contiguous columns */
    void (*gather)(vg_matrix y, vg_matrix x, const int64_t *order, ptrdiff_t row0, ptrdiff_t row1);
    /* asks the caches for row x[r] */
    void (*prefetch)(vg_matrix x, ptrdiff_t row);
    int (*all_finite)(const void *x, ptrdiff_t n);

    /* elementwise, for the tests: y = f(x) */
    void (*exp)(void *y, const void *x, ptrdiff_t n);
    void (*tanh)(void *y, const void *x, ptrdiff_t n);
    /* seconds of n rounds of independent fused multiply-adds; their floating-point operations in *flops */
    double (*fma_loop)(double *flops, int64_t n);

    size_t real_bytes;
} vg_leaf;

#endif
