/* The contract of the leaf kernels: one table of functions per CPU level and dtype.
 *
 * Leaf kernels know numbers, not layers. Every function takes whole matrices and the rows that the calling
 * thread owns, reads nothing it is not given and allocates nothing. Elements are float32 or float64 by the
 * table they were taken from; sums that are reported are double. Inputs are const; outputs come first.
 *
 * A thread's rows start at a multiple of VG_ROW_CHUNK, and everything that is summed over rows is summed
 * chunk by chunk, so a result never depends on how many threads shared the work.
 */
#ifndef VG_LEAF_H
#define VG_LEAF_H

#include <stddef.h>
#include <stdint.h>

#include "factor.h"
#include "tables.h"

/* Rows of a batch are handed to threads in chunks of this many. */
#define VG_ROW_CHUNK 8

/* Terms of a long sum are added up in blocks of this many, and these sums then. */
#define VG_DEPTH_BLOCK 256

typedef struct {
    void *data;
    ptrdiff_t ld;   /* elements from one row to the next; matrices in the arena are padded to whole vectors */
    ptrdiff_t cols;
} vg_matrix;

/* A thread's rows of a matrix that holds `times` timesteps of `stride` rows each: rows [begin, end) of every
 * timestep or, where sequences end early, [begin, ends[t]). Without time, `times` is 1. */
typedef struct {
    ptrdiff_t begin, end;
    ptrdiff_t times, stride;
    const int64_t *ends; /* (times + 1,), one more for the timestep behind the last, or NULL */
} vg_rows;

/* The rows of a sum over rows, from the last to the first. Where time is cut into windows, `before` and `behind` count the
 * rows of other windows, so that blocks are those of the whole sum: one that a window's edge cuts in two
 * waits `partial` bytes behind its place. */
typedef struct {
    ptrdiff_t rows, before, behind;
    ptrdiff_t partial;
    int add; /* to what is there */
} vg_span;

/* Which places of images meet where: pairs [first[d], first[d + 1]) belong to destination d. An image lies place
 * by place: place p of sample r is row p * stride + r of a matrix, and channels are its columns. */
typedef struct {
    ptrdiff_t count; /* of destinations */
    const int32_t *first, *left, *right;
} vg_pairs;

/* Samples' elements in their users' order: place by place, or by channel, place after place of each. */
typedef struct {
    vg_matrix matrix;
    ptrdiff_t places;
    int by_channel;
    const int64_t *order; /* sample r lies at order[r], or at r where this is NULL */
} vg_layout;

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
    VG_MISH,
    VG_HARD_SWISH,
    VG_GELU_TANH,
    VG_RELU6,
    VG_CELU,
    VG_SNAKE,
    VG_SOFTMAX,
    VG_SOFTMIN,
    VG_FORMULA
} vg_activation;

/* What a formula is made of: an instruction reads slots a, b, c, d and writes a register. Slot 0 is z; registers,
 * constants and learned parameters follow. */
typedef enum {
    VG_NEGATE, VG_ABS, VG_SIGN, VG_SQRT, VG_EXP, VG_LOG, VG_LOG1P, VG_SIN, VG_COS, VG_TANH_OF, VG_SIGMOID_OF,
    VG_SOFTPLUS_OF, VG_ERF,
    VG_ADD, VG_SUBTRACT, VG_MULTIPLY, VG_DIVIDE, VG_POWER, VG_MINIMUM, VG_MAXIMUM,
    VG_LESS, VG_LESS_EQUAL, VG_EQUAL, VG_NOT_EQUAL, /* 1 or 0, or NaN */
    VG_WHERE,           /* b where a is not 0, c where it is, NaN where it is NaN */
    VG_WHERE_LESS,      /* c where a < b, else d, or NaN */
    VG_WHERE_LESS_EQUAL
} vg_operator;

enum {
    VG_INSTRUCTIONS = 128,
    VG_REGISTERS = 16,
    VG_CONSTANTS = 32,
    VG_LEARNED = 8,
    VG_FIRST_CONSTANT = 1 + VG_REGISTERS,
    VG_FIRST_LEARNED = VG_FIRST_CONSTANT + VG_CONSTANTS,
    VG_SLOTS = VG_FIRST_LEARNED + VG_LEARNED
};

typedef struct {
    uint8_t operator, result, a, b, c, d;
} vg_instruction;

typedef struct {
    int instructions, constants, learned;
    int result; /* the slot of f(z) */
    vg_instruction instruction[VG_INSTRUCTIONS];
    double constant[VG_CONSTANTS];
} vg_program;

/* An activation as kernels get it. */
typedef struct {
    vg_activation kind;
    double alpha;    /* the parameter of those that take one */
    double steepest; /* of a formula: the largest |f'|, NaN where there is no bound */
    const vg_program *program; /* of a formula */
} vg_function;

static const vg_function VG_NO_ACTIVATION = {VG_IDENTITY, 0, 1, NULL};

/* What is recorded of each unit: sums over rows, which go on from what is there. */
typedef struct {
    vg_matrix squares; /* of delta, see unit_squares */
    int64_t *flat, *zero, *unknown; /* (cols,): slopes below 5 % of the activation's steepest, and of 0; 1 where any output
                                     * or slope is NaN */
} vg_units;

/* What activation_backward records of a layer while it computes delta; one entry per timestep and row chunk. */
typedef struct {
    double *delta_norm; /* L2 norm of delta */
    double *mean;       /* of the outputs h */
    double *deviation;  /* the L2 norm of h - mean */
    double *saturated;  /* how many outputs whose slope is below 5 % of the activation's steepest; NaN if any
                         * output or slope is */
    void *slopes;       /* (cols,) reals: the bits of every |slope| of the unit, or-ed: 0 where all are 0 */
    vg_bins *delta_bins, *output_bins; /* the thread's tables of delta and h, or NULL */
    const vg_units *units;             /* or NULL */
} vg_taps;

typedef enum {
    VG_MSE,
    VG_MAE,
    VG_HUBER,
    VG_LOG_COSH,
    VG_HINGE,
    VG_SQUARED_HINGE,
    VG_POISSON,          /* of a rate; of its logarithm; of what softplus makes a rate of */
    VG_POISSON_EXPONENT,
    VG_POISSON_LOGITS,
    VG_COSINE,
    VG_BINARY,
    VG_BINARY_LOGITS,
    VG_BINARY_STATES,
    VG_CATEGORICAL_LOGITS,
    VG_DIVERGENCE_LOGITS,
    VG_LINEAR
} vg_loss;

/* How right each row's outputs are. */
typedef struct {
    int by_class;          /* the largest output is of the target's class; else each is on its target's side: */
    double middle;         /* outputs lie above or below this, */
    double target_middle;  /* targets of this */
    double *right;         /* (rows,) 0 .. 1, or NULL where nobody asks */
} vg_judge;

typedef struct {
    vg_loss kind;
    int apply_activation;  /* logits are overwritten by what the loss derives from them */
    double scale;          /* of the reduction: 1 / (rows x cols) or 1 / rows */
    double parameter;      /* of the loss: Huber's bound; the least rate of Poisson's */
    double kept, spread;   /* a target y counts as kept y + spread; 1 and 0 unless labels are smoothed */
    const int64_t *labels; /* (rows,) class of each row, below 0 where it is ignored; NULL where targets are dense */
    const double *weights; /* (rows,) factors of each row's loss and gradient, or NULL; of 0 both are 0 */
    vg_judge judge;
} vg_loss_call;

typedef enum {
    VG_SGD,
    VG_ADAGRAD,
    VG_ADADELTA,
    VG_RMSPROP,
    VG_ADAM,
    VG_ADAMW,
    VG_NADAM,
    VG_LION,
    VG_RULES
} vg_rule;

#define VG_RULE_STATES 3 /* at most */

/* One optimizer step on part of a parameter; the flat arrays share one layout. */
typedef struct {
    double rate, weight_decay;
    double beta1;         /* of the mean of gradients; SGD's and RMSProp's momentum */
    double beta2;         /* of the mean of their squares */
    double epsilon;
    double step_decay;    /* of AdaGrad's rate, of NAdam's momentum */
    int nesterov, centered;
    double gradient_scale, gradient_shrink; /* a vg_factor; 1 and 1 if none */
    double gradient_limit;                  /* of clipping by value; infinity if none */

    /* what vg_advance (rules.h) makes of the number of the step */
    double gradient_part; /* what the gradient, */
    double moment_part;   /* its mean */
    double root_part;     /* and the root of its mean square are multiplied by */
    double mu_product;    /* NAdam's, of so many factors */
    int64_t mu_factors;
} vg_update;

/* L2 norms per chunk of a parameter: before the update, of its gradient, of the update itself. What an earlier
 * step wrote is read: it tells which chunks need care. */
typedef struct {
    double *weight, *gradient, *update;
    void *ratios; /* of each element, what is added to the value over the value, 0 where nothing is; or NULL */
} vg_norms;

/* Elements of a packed matrix (depth, cols). */
#define VG_PACKED_SIZE(depth, cols) ((depth) * ((cols) + 16))

/* Elements of a vector of `cols`, to the end of its last cache line. */
#define VG_PADDED(cols) (((cols) + 15) / 16 * 16)
/* Of a row of moments. */
#define VG_MOMENTS(cols) (2 * VG_PADDED(cols) + 8)
/* Doubles that the normalisation of groups works with. */
#define VG_GROUP_WORK(cols) (4 * VG_PADDED(cols))

typedef struct {
    /* y[r] = x[r] w + b, or y[r] += x[r] w where `add`;  x (rows, in), w (in, out), b (out,) or NULL */
    void (*affine)(vg_matrix y, vg_matrix x, vg_matrix w, const void *b, int add, const vg_rows *rows);
    /* dx[r] = dy[r] w^T, or dx[r] += dy[r] w^T where `add` */
    void (*affine_input)(vg_matrix dx, vg_matrix dy, vg_matrix w, int add, const vg_rows *rows);
    /* dw[i] = sum over rows r of x[r, i] dy[r], for inputs i in [in0, in1) */
    void (*affine_weight)(vg_matrix dw, vg_matrix x, vg_matrix dy, const vg_span *span, ptrdiff_t in0,
                          ptrdiff_t in1);
    /* db[j] = sum over rows r of dy[r, j], for columns j in [col0, col1) */
    void (*column_sums)(void *db, vg_matrix dy, const vg_span *span, ptrdiff_t col0, ptrdiff_t col1);
    /* db[j] = sum over rows r of x[r, j] dy[r, j], for columns j in [col0, col1) */
    void (*column_products)(void *db, vg_matrix x, vg_matrix dy, const vg_span *span, ptrdiff_t col0,
                            ptrdiff_t col1);

    /* w (rows, w.cols), or its transpose, in the order in which affine_packed reads it; `packed` holds
     * VG_PACKED_SIZE elements */
    void (*pack)(void *packed, vg_matrix w, ptrdiff_t rows, int transposed);
    /* affine with a w that has been packed: for a w that serves many products of few rows */
    void (*affine_packed)(vg_matrix y, vg_matrix x, const void *packed, const void *b, int add,
                          const vg_rows *rows);

    /* Convolutions. w has a row for each tap and each channel of a group, taps slowest, and the groups' filters side
     * by side; so have x and y their channels. */

    /* the w of each tap, or its transpose, in the order in which convolve reads it; `packed` holds
     * VG_PACKED_SIZE(taps depth, cols) elements for each group of `cols` columns */
    void (*pack_taps)(void *packed, vg_matrix w, ptrdiff_t channels, ptrdiff_t taps, ptrdiff_t groups,
                      int transposed);
    /* y[p, r] = b + sum over the pairs (q, k) of p of x[q, r] w_k, or y[p, r] += that sum where `add`; of the
     * input's gradient: dx is y, dy is x, and w is transposed */
    void (*convolve)(vg_matrix y, vg_matrix x, const void *packed, const void *b, const vg_pairs *pairs,
                     ptrdiff_t taps, ptrdiff_t groups, int add, const vg_rows *rows);
    /* dw_k[i] = sum over the pairs (q, p) of k and the first `rows` rows r of x[q, r, i] dy[p, r], for rows of dw
     * in [in0, in1). Destination d of the pairs is tap d % taps of the d / taps-th block of places: what a
     * block reads should stay in the cache */
    void (*convolve_weight)(vg_matrix dw, vg_matrix x, vg_matrix dy, const vg_pairs *pairs, ptrdiff_t taps,
                            ptrdiff_t groups, ptrdiff_t rows, ptrdiff_t in0, ptrdiff_t in1);

    /* y[p, r] = largest x[q, r] of the pairs (q, _) of p, channel by channel; NaN if any is */
    void (*max_pool)(vg_matrix y, vg_matrix x, const vg_pairs *pairs, const vg_rows *rows);
    /* dx[q, r] = sum of the dy[p, r] where x[q, r] is the first of p's pairs to be y[p, r], or dx += it where `add`;
     * rows at the places of x */
    void (*max_pool_backward)(vg_matrix dx, vg_matrix dy, vg_matrix y, vg_matrix x, const vg_pairs *pairs,
                              int add, const vg_rows *rows);
    /* y[p, r] = sum over the pairs (q, i) of p of factor[i] x[q, r], or y[p, r] += it where `add`; columns that x
     * has not are 0 */
    void (*average_pool)(vg_matrix y, vg_matrix x, const vg_pairs *pairs, const void *factor, int add,
                         const vg_rows *rows);

    /* y[r] = the largest or the mean of x[q, r] over the places q of row r, as far as its sequence reaches; NaN if any
     * is */
    void (*pool_places)(vg_matrix y, vg_matrix x, int largest, const vg_rows *rows);
    /* dx[q, r], or dx += where `add`, from dy[r]; of the largest the first gets it; rows at the places of x */
    void (*pool_places_backward)(vg_matrix dx, vg_matrix dy, vg_matrix y, vg_matrix x, int largest, int add,
                                 const vg_rows *rows);

    /* the e-th element of sample r of y = that of x, or += it where `add` */
    void (*relayout)(const vg_layout *y, const vg_layout *x, int add, const vg_rows *rows);

    /* h = f(z); h may be z */
    void (*activation)(vg_matrix h, vg_matrix z, const vg_function *f, const vg_rows *rows);
    /* delta = delta * f'(z), unless `done` says that delta is dL/dz already; taps may be NULL */
    void (*activation_backward)(vg_matrix delta, vg_matrix h, vg_matrix z, const vg_function *f,
                                int done, const vg_taps *taps, const vg_rows *rows);
    /* delta = dL/dz from the dL/dh that VG_BINARY_STATES made, and what was added to it; h = sigmoid(z) */
    void (*sigmoid_backward)(vg_matrix delta, vg_matrix z, const vg_rows *rows);
    /* s = f'(z); taps, which may be NULL, get `saturated` and `slopes` */
    void (*slope)(vg_matrix s, vg_matrix h, vg_matrix z, const vg_function *f, const vg_taps *taps,
                  const vg_rows *rows);

    /* how many of n units have 0 in all `threads` arrays of slopes, `stride` bytes apart */
    ptrdiff_t (*dead_units)(const void *slopes, ptrdiff_t stride, int threads, ptrdiff_t n);

    /* One timestep of the recurrent layers; matrices are of that timestep, gates lie side by side in blocks of
     * as many columns as there are units. */

    /* y[r] = a[r] + b[r], or b[r] where a.data is NULL; y may be either */
    void (*add)(vg_matrix y, vg_matrix a, vg_matrix b, const vg_rows *rows);
    /* y[r] = a[r] + p x[r], without a where a.data is NULL; p one number, 1 where NULL; y may be either */
    void (*add_multiple)(vg_matrix y, vg_matrix a, vg_matrix x, const void *p, const vg_rows *rows);
    /* y[r, j] += p[j] x[r, j] */
    void (*add_scaled)(vg_matrix y, vg_matrix x, const void *p, const vg_rows *rows);
    /* y[r, j] = p[j] */
    void (*broadcast)(vg_matrix y, const void *p, const vg_rows *rows);
    /* gates i, f, g, o:  c = f before + i g */
    void (*lstm_cell)(vg_matrix c, vg_matrix gates, vg_matrix before, const vg_rows *rows);
    /* h = o squashed, where squashed = f(c) */
    void (*lstm_output)(vg_matrix h, vg_matrix gates, vg_matrix squashed, const vg_rows *rows);
    /* gates become dL/dz of the gates, dc becomes dL/d before; slopes: of the four gates and of f(c), which is
     * replaced by dL/dc; peepholes: the weights of c in i, f and o, or NULL */
    void (*lstm_backward)(vg_matrix gates, vg_matrix dc, vg_matrix dh, vg_matrix slopes, vg_matrix before,
                          vg_matrix squashed, const void *const *peepholes, const vg_rows *rows);
    /* gates r, z, m, n:  candidate += r m */
    void (*gru_reset)(vg_matrix candidate, vg_matrix gates, const vg_rows *rows);
    /* y = r x */
    void (*gru_gate)(vg_matrix y, vg_matrix gates, vg_matrix x, const vg_rows *rows);
    /* h = (1 - z) n + z before */
    void (*gru_output)(vg_matrix h, vg_matrix gates, vg_matrix before, const vg_rows *rows);
    /* gates z and n become dL/dz of them, carry becomes the part of dL/d before that z lets through; slopes: of
     * r, z and n */
    void (*gru_backward)(vg_matrix gates, vg_matrix carry, vg_matrix dh, vg_matrix slopes, vg_matrix before,
                         const vg_rows *rows);
    /* where n = f(... + r m): gates r and m become dL/dz of r and dL/dm */
    void (*gru_reset_backward)(vg_matrix gates, vg_matrix slopes, const vg_rows *rows);
    /* where n = f(... + (r before) w): gate r becomes dL/dz, carry += r dq, from dq = dL/d(r before) */
    void (*gru_gate_backward)(vg_matrix gates, vg_matrix carry, vg_matrix dq, vg_matrix slopes,
                              vg_matrix before, const vg_rows *rows);

    /* Highway, with gates g and t side by side:  h = t g + (1 - t) x */
    void (*highway_output)(vg_matrix h, vg_matrix gates, vg_matrix x, const vg_rows *rows);
    /* delta = dh t and dh (g - x), side by side; dh *= 1 - t */
    void (*highway_backward)(vg_matrix delta, vg_matrix dh, vg_matrix gates, vg_matrix x, const vg_rows *rows);
    /* Normalisation. Sums over rows, `moments` and `sums`, are matrices of doubles: a row for each chunk of rows,
     * whatever the places. Where there are several vectors of `cols`, each has VG_PADDED(cols). */

    /* means and squared deviations of the columns, and a count, VG_MOMENTS(cols) in all, of each chunk */
    void (*column_moments)(vg_matrix moments, vg_matrix x, const vg_rows *rows);
    /* the count, means and (biased) variances of all chunks (Chan, Golub and LeVeque 1979) */
    double (*merged_moments)(double *mean, double *variance, vg_matrix moments, ptrdiff_t chunks, ptrdiff_t cols);
    /* three vectors that standardise columns of such means and variances: (x - centre) inverse + offset */
    void (*normaliser)(void *normaliser, const double *mean, const double *variance, double epsilon,
                       ptrdiff_t cols);
    /* z = standardised x times weight plus bias, h = f(z); h may be z; weight and bias may be NULL */
    void (*normalise)(vg_matrix h, vg_matrix z, vg_matrix x, const void *normaliser, const void *weight,
                      const void *bias, const vg_function *f, const vg_rows *rows);
    /* delta as activation_backward leaves it, and each chunk's sums of it and of delta times standardised x */
    void (*normalise_backward)(vg_matrix sums, vg_matrix delta, vg_matrix h, vg_matrix z, vg_matrix x,
                               const void *normaliser, const void *weight, const void *bias,
                               const vg_function *f, int done, const vg_taps *taps, const vg_rows *rows);
    /* dx, or dx += where `add`, from the means of those two over all rows; dx may be delta */
    void (*normalise_input)(vg_matrix dx, vg_matrix delta, vg_matrix x, const void *normaliser,
                            const void *weight, const void *means, int add, const vg_rows *rows);
    /* y[j] = scale times the sum over all chunks, in order, of sums[j], for columns j in [col0, col1) */
    void (*join_chunks)(void *y, vg_matrix sums, ptrdiff_t chunks, double scale, ptrdiff_t col0,
                        ptrdiff_t col1);
    /* y = (1 - share) y + share scale x */
    void (*blend)(void *y, const double *x, double share, double scale, ptrdiff_t n);
    /* y = x */
    void (*widen)(double *y, const void *x, ptrdiff_t n);
    /* The same with each row standardised by its own mean, unless not `centred`, and variance. */
    void (*row_normalise)(vg_matrix h, vg_matrix z, vg_matrix x, const void *weight, const void *bias,
                          double epsilon, int centred, const vg_function *f, const vg_rows *rows);
    /* both steps of backward; sums, which go on where `accumulating`, may have no data, and so may dx */
    void (*row_normalise_backward)(vg_matrix sums, vg_matrix dx, vg_matrix delta, vg_matrix h, vg_matrix z,
                                   vg_matrix x, const void *weight, double epsilon, int centred,
                                   const vg_function *f, int done, int add, int accumulating,
                                   const vg_taps *taps, const vg_rows *rows);

    /* The same with each row standardised, over all of its places, in groups of columns side by side; `kept` gets the
     * normaliser of each row, `work` holds VG_GROUP_WORK(cols) doubles */
    void (*group_normalise)(vg_matrix h, vg_matrix z, vg_matrix x, vg_matrix kept, double *work,
                            const void *weight, const void *bias, double epsilon, ptrdiff_t groups,
                            const vg_function *f, const vg_rows *rows);
    void (*group_normalise_backward)(vg_matrix sums, vg_matrix dx, vg_matrix delta, vg_matrix h, vg_matrix z,
                                     vg_matrix x, vg_matrix kept, double *work, const void *weight,
                                     ptrdiff_t groups, const vg_function *f, int done, int add,
                                     const vg_taps *taps, const vg_rows *rows);

    /* h = max(x, 0) + a min(x, 0); a (cols,) or, where `shared`, a single one */
    void (*prelu)(vg_matrix h, vg_matrix x, const void *a, int shared, const vg_rows *rows);
    /* delta = dL/dx from dL/dh, and each chunk's sums of the gradient of a, which go on where `accumulating` */
    void (*prelu_backward)(vg_matrix sums, vg_matrix delta, vg_matrix x, const void *a, int shared,
                           int accumulating, const vg_rows *rows);

    /* h = f(x) of a formula whose parameters are learned; p[k] (cols,) or, where `shared`, a single one */
    void (*formula)(vg_matrix h, vg_matrix x, const vg_program *f, const void *const *p, int shared,
                    const vg_rows *rows);
    /* delta = dL/dx from dL/dh, and each chunk's sums of the gradients of all p, side by side, as prelu_backward */
    void (*formula_backward)(vg_matrix sums, vg_matrix delta, vg_matrix x, const vg_program *f,
                             const void *const *p, int shared, int accumulating, const vg_rows *rows);

    /* y = x / (1 - rate), or 0 with a chance of `rate`, which the key, the stream, the place (counted from
     * first_place), the row and the column decide; where `shared`, not the place; y may be x */
    void (*dropout)(vg_matrix y, vg_matrix x, double rate, uint64_t key, int stream, ptrdiff_t first_place,
                    int shared, const vg_rows *rows);
    /* y = scale x + shift, or `dropped` with a chance of `rate`, which the same decide */
    void (*alpha_dropout)(vg_matrix y, vg_matrix x, double rate, double scale, double shift, double dropped,
                          uint64_t key, int stream, ptrdiff_t first_place, int shared, const vg_rows *rows);
    /* y = x + sigma times a normal number that the same decide */
    void (*noise_rows)(vg_matrix y, vg_matrix x, double sigma, uint64_t key, int stream, ptrdiff_t first_place,
                       const vg_rows *rows);
    /* g[i] += sigma times a normal number that the key and first_element + i decide */
    void (*add_noise)(void *g, ptrdiff_t n, double sigma, uint64_t key, ptrdiff_t first_element);

    /* adds n numbers, or those of rows, to a table */
    void (*count)(vg_bins *table, const void *x, ptrdiff_t n);
    void (*count_rows)(vg_bins *table, vg_matrix x, const vg_rows *rows);
    /* one entry of the tables of all threads, side by side, which are empty then; returns its length (tables.h) */
    ptrdiff_t (*join_tables)(uint16_t *entry, vg_bins *tables, int threads);

    /* what unit_norm makes a norm of: (2, VG_PADDED(cols)) doubles in a row of sums for each chunk of rows, whatever the
     * places; they go on from what is there */
    void (*unit_squares)(vg_matrix sums, vg_matrix x, const vg_rows *rows);
    /* the same of columns [col0, col1) over `rows` rows: (2, cols) doubles */
    void (*column_squares)(double *sums, vg_matrix x, ptrdiff_t rows, ptrdiff_t col0, ptrdiff_t col1);
    double (*unit_norm)(double up, double down);

    /* the L2 norm of each row chunk of x; one entry per timestep and row chunk */
    void (*row_norms)(double *norm, vg_matrix x, const vg_rows *rows);
    /* mean and deviation of each row chunk of h, as vg_taps has them */
    void (*moments)(double *mean, double *deviation, vg_matrix h, const vg_rows *rows);

    /* row_loss[r] and delta[r] from the outputs h, or their logits, and the targets y */
    void (*loss)(double *row_loss, vg_matrix delta, vg_matrix h, vg_matrix y, const vg_loss_call *call,
                 const vg_rows *rows);

    /* optimizer steps (vg_rule indexes them) on n elements in chunks of `chunk`, both whole vectors;
     * states: VG_RULE_STATES, NULL where the rule has fewer; norms may be NULL */
    void (*update[VG_RULES])(void *w, void *const *states, const void *g, ptrdiff_t n, ptrdiff_t chunk,
                             const vg_update *u, const vg_norms *norms);

    /* g = factor g, cut to [-most, most]; n is a whole number of vectors */
    void (*limit)(void *g, ptrdiff_t n, vg_factor factor, double most);
    /* Factors of columns are two vectors, `scale` and `shrink`, each of VG_PADDED(cols). */
    /* factor[j] = scale or, where it is less, what gives column j of g, `rows` long, a norm of `clip` times that
     * of w's column, which counts as 1e-3 at least; for columns [col0, col1) */
    void (*adaptive_factors)(void *factor, vg_matrix w, vg_matrix g, double scale, double clip,
                             ptrdiff_t rows, ptrdiff_t col0, ptrdiff_t col1);
    /* g[r, j] *= factor[j] for rows [row0, row1) */
    void (*scale_columns)(vg_matrix g, const void *factor, ptrdiff_t row0, ptrdiff_t row1);
    /* From back = W^T delta, the slopes f' of the timestep before, and v = f' back: the gradient by W of
     * scale (|v| / |delta| - 1)^2 is slopes^T back when it returns, back = 2 scale (|v| / |delta| - 1) f' v / |v|
     * and slopes = delta / |delta|; 0 where a norm is 0 or not finite */
    void (*norm_ratio)(vg_matrix back, vg_matrix slopes, vg_matrix delta, double scale, const vg_rows *rows);

    /* Makes each row of q orthogonal to those of `rows` before it, and of length 1; length[r] *= what was its length
     * between the two. One that is at most `least` long becomes 0, and so does its length */
    void (*orthonormalise)(double *length, vg_matrix q, double least, const vg_rows *rows);

    /* norm[c] = L2 norm of the c-th chunk of x */
    void (*chunk_norms)(double *norm, const void *x, ptrdiff_t n, ptrdiff_t chunk);
    /* y[r] = x[order[r]], order NULL meaning r itself */
    void (*gather)(vg_matrix y, vg_matrix x, const int64_t *order, const vg_rows *rows);
    /* y[t, r] = x[order[r], time + t]: x holds sequences of `length` rows each */
    void (*gather_sequences)(vg_matrix y, vg_matrix x, const int64_t *order, ptrdiff_t time,
                             ptrdiff_t length, const vg_rows *rows);
    /* y[p, r, c] = x[order[r], c * places + p], for the places p = 0 .. times - 1 of rows */
    void (*gather_images)(vg_matrix y, vg_matrix x, const int64_t *order, const vg_rows *rows);
    /* y[c * places + p] = x[p * stride, c]: the image whose first place is x's first row */
    void (*write_image)(void *y, vg_matrix x, ptrdiff_t places, ptrdiff_t stride);
    /* dw[i] = sum over the first `rows` rows r of dy[r] where order[r] is i, for i in [in0, in1); where `add`,
     * the sum goes on from dw[i] */
    void (*scatter)(vg_matrix dw, vg_matrix dy, const int64_t *order, int add, ptrdiff_t rows, ptrdiff_t in0,
                    ptrdiff_t in1);
    /* y[r] = 0 for the rows of sequences that have ended */
    void (*clear_ended)(vg_matrix y, const vg_rows *rows);
    /* asks the caches for row x[r] */
    void (*prefetch)(vg_matrix x, ptrdiff_t row);
    int (*all_finite)(const void *x, ptrdiff_t n);

    /* elementwise, for the tests: y = f(x) */
    void (*exp)(void *y, const void *x, ptrdiff_t n);
    void (*tanh)(void *y, const void *x, ptrdiff_t n);
    /* for benchmarks: reads and writes what Adam does, (w, two states, g), and adds g to the others */
    void (*stream)(void *w, void *const *states, const void *g, ptrdiff_t n);
    /* seconds of n rounds of independent fused multiply-adds; their floating-point operations in *flops */
    double (*fma_loop)(double *flops, int64_t n);

    size_t real_bytes;
} vg_leaf;

#endif
