/* All leaf kernels at one CPU level and dtype. A level file defines REAL_BITS and LEAF_TABLE, the name of
 * the table, and includes this. */
#if defined(__aarch64__) && !defined(__clang__)
#pragma GCC optimize("no-schedule-insns") /* which loads early what a tile has no registers left for */
#endif

#include <time.h>

#include "leaf.h"
#include "vec.h"
#include "vmath.h"
#include "reduce.h"
#include "bins.h"
#include "image.h"
#include "caches.h"
#include "tiles.h"
#include "panel.h"
#include "product.h"
#include "narrow.h"
#include "gemm.h"
#include "conv.h"
#include "columns.h"
#include "pool.h"
#include "functions.h"
#include "formula.h"
#include "units.h"
#include "activation.h"
#include "recurrent.h"
#include "highway.h"
#include "norm.h"
#include "rownorm.h"
#include "groupnorm.h"
#include "prelu.h"
#include "learned.h"
#include "random.h"
#include "loss.h"
#include "update.h"
#include "treatment.h"
#include "orthonormal.h"

INLINE void map(vec (*f)(vec), real *y, const real *x, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const vec v = f(load_first(x + i, n - i));
        memcpy(y + i, &v, (n - i < LANES ? n - i : LANES) * sizeof(real));
    }
}
static void map_exp(void *y, const void *x, ptrdiff_t n) { map(vexp, y, x, n); }
static void map_tanh(void *y, const void *x, ptrdiff_t n) { map(vtanh, y, x, n); }

static double fma_loop(double *flops, int64_t n) {
    struct timespec begin, end;
    vec acc[12];
    for (int j = 0; j < 12; j++) acc[j] = all((real)j);
    /* unknown to the optimizer */
    const vec factor = rounded(all((real)0.999)), term = rounded(all((real)0.001));
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int64_t i = 0; i < n; i++)
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++) acc[j] = acc[j] * factor + term;
    clock_gettime(CLOCK_MONOTONIC, &end);
    vec sum = acc[0];
    for (int j = 1; j < 12; j++) sum += acc[j];
    volatile double sink = lane_sum(sum);
    (void)sink;
    *flops = 2.0 * 12 * LANES * (double)n;
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}

const vg_leaf LEAF_TABLE = {
    .affine = affine,
    .affine_input = affine_input,
    .affine_weight = affine_weight,
    .column_sums = column_sums,
    .column_products = column_products,
    .pack = pack,
    .affine_packed = affine_packed,
    .pack_taps = pack_taps,
    .convolve = convolve,
    .convolve_weight = convolve_weight,
    .max_pool = max_pool,
    .max_pool_backward = max_pool_backward,
    .average_pool = average_pool,
    .pool_places = pool_places,
    .pool_places_backward = pool_places_backward,
    .relayout = relayout,
    .activation = activation,
    .activation_backward = activation_backward,
    .sigmoid_backward = sigmoid_backward,
    .slope = slope,
    .dead_units = dead_units,
    .add = add,
    .add_multiple = add_multiple,
    .add_scaled = add_scaled,
    .broadcast = broadcast,
    .lstm_cell = lstm_cell,
    .lstm_output = lstm_output,
    .lstm_backward = lstm_backward,
    .gru_reset = gru_reset,
    .gru_gate = gru_gate,
    .gru_output = gru_output,
    .gru_backward = gru_backward,
    .gru_reset_backward = gru_reset_backward,
    .gru_gate_backward = gru_gate_backward,
    .highway_output = highway_output,
    .highway_backward = highway_backward,
    .column_moments = column_moments,
    .merged_moments = merged_moments,
    .normaliser = normaliser,
    .normalise = normalise,
    .normalise_backward = normalise_backward,
    .normalise_input = normalise_input,
    .join_chunks = join_chunks,
    .blend = blend,
    .widen = widen,
    .row_normalise = row_normalise,
    .row_normalise_backward = row_normalise_backward,
    .group_normalise = group_normalise,
    .group_normalise_backward = group_normalise_backward,
    .prelu = prelu,
    .prelu_backward = prelu_backward,
    .formula = formula,
    .formula_backward = formula_backward,
    .dropout = dropout,
    .alpha_dropout = alpha_dropout,
    .noise_rows = noise_rows,
    .add_noise = add_noise,
    .count = count,
    .count_rows = count_rows,
    .join_tables = join_tables,
    .unit_squares = unit_squares,
    .column_squares = column_squares,
    .unit_norm = unit_norm,
    .row_norms = row_norms,
    .moments = moments,
    .loss = loss,
    .update =
        {
            [VG_SGD] = sgd,
            [VG_ADAGRAD] = adagrad,
            [VG_ADADELTA] = adadelta,
            [VG_RMSPROP] = rmsprop,
            [VG_ADAM] = adam,
            [VG_ADAMW] = adamw,
            [VG_NADAM] = nadam,
            [VG_LION] = lion,
        },
    .limit = limit,
    .adaptive_factors = adaptive_factors,
    .scale_columns = scale_columns,
    .norm_ratio = norm_ratio,
    .orthonormalise = orthonormalise,
    .chunk_norms = chunk_norms,
    .gather = gather,
    .gather_sequences = gather_sequences,
    .gather_images = gather_images,
    .write_image = write_image,
    .scatter = scatter,
    .clear_ended = clear_ended,
    .prefetch = prefetch,
    .all_finite = all_finite,
    .exp = map_exp,
    .tanh = map_tanh,
    .stream = stream,
    .fma_loop = fma_loop,
    .real_bytes = sizeof(real),
};
