"""The leaf kernels (simd/leaf.h) as the rest of the engine sees them."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t


cdef extern from "simd/factor.h" nogil:
    ctypedef struct Factor "vg_factor":
        double scale
        double shrink

    Factor quotient "vg_quotient"(double a, double b, double least)


cdef extern from "simd/tables.h" nogil:
    ctypedef struct Bins "vg_bins":
        pass
    Py_ssize_t TABLE_BYTES "VG_TABLE_BYTES"(Py_ssize_t real_bytes)
    Py_ssize_t LONGEST_ENTRY "VG_LONGEST_ENTRY"(Py_ssize_t real_bytes)
    void clear_table "vg_clear_table"(Bins *table, int real_bytes)

cdef extern from "simd/leaf.h" nogil:
    const Py_ssize_t ROW_CHUNK "VG_ROW_CHUNK"
    const Py_ssize_t DEPTH_BLOCK "VG_DEPTH_BLOCK"

    ctypedef struct Matrix "vg_matrix":
        void *data
        Py_ssize_t ld
        Py_ssize_t cols

    ctypedef struct Rows "vg_rows":
        Py_ssize_t begin
        Py_ssize_t end
        Py_ssize_t times
        Py_ssize_t stride
        const int64_t *ends

    ctypedef struct Span "vg_span":
        Py_ssize_t rows
        Py_ssize_t before
        Py_ssize_t behind
        Py_ssize_t partial
        bint add

    ctypedef struct Pairs "vg_pairs":
        Py_ssize_t count
        const int32_t *first
        const int32_t *left
        const int32_t *right

    ctypedef struct Layout "vg_layout":
        Matrix matrix
        Py_ssize_t places
        bint by_channel
        const int64_t *order

    Py_ssize_t PACKED_SIZE "VG_PACKED_SIZE"(Py_ssize_t depth, Py_ssize_t cols)

    Py_ssize_t PADDED "VG_PADDED"(Py_ssize_t cols)
    Py_ssize_t MOMENTS "VG_MOMENTS"(Py_ssize_t cols)
    Py_ssize_t GROUP_WORK "VG_GROUP_WORK"(Py_ssize_t cols)

    ctypedef enum Activation "vg_activation":
        IDENTITY "VG_IDENTITY"

    cdef enum:
        INSTRUCTIONS "VG_INSTRUCTIONS"
        REGISTERS "VG_REGISTERS"
        CONSTANTS "VG_CONSTANTS"
        LEARNED "VG_LEARNED"
        FIRST_CONSTANT "VG_FIRST_CONSTANT"
        FIRST_LEARNED "VG_FIRST_LEARNED"

    ctypedef struct Instruction "vg_instruction":
        uint8_t operator
        uint8_t result
        uint8_t a
        uint8_t b
        uint8_t c
        uint8_t d

    ctypedef struct Formula "vg_program":
        int instructions
        int constants
        int learned
        int result
        Instruction instruction[128]
        double constant[32]

    ctypedef struct Function "vg_function":
        Activation kind
        double alpha
        double steepest
        const Formula *program
    const Function NO_ACTIVATION "VG_NO_ACTIVATION"

    ctypedef enum LossKind "vg_loss":
        BINARY_STATES "VG_BINARY_STATES"

    ctypedef enum Rule "vg_rule":
        pass

    ctypedef struct Units "vg_units":
        Matrix squares
        int64_t *flat
        int64_t *zero
        int64_t *unknown

    ctypedef struct Taps "vg_taps":
        double *delta_norm
        double *mean
        double *deviation
        double *saturated
        void *slopes
        Bins *delta_bins
        Bins *output_bins
        const Units *units

    ctypedef struct Judge "vg_judge":
        bint by_class
        double middle
        double target_middle
        double *right

    ctypedef struct LossCall "vg_loss_call":
        LossKind kind
        bint apply_activation
        double scale
        double parameter
        double kept
        double spread
        const int64_t *labels
        const double *weights
        Judge judge

    enum:
        RULE_STATES "VG_RULE_STATES"

    ctypedef struct Update "vg_update":
        double rate
        double weight_decay
        double beta1
        double beta2
        double epsilon
        double step_decay
        bint nesterov
        bint centered
        double gradient_scale
        double gradient_shrink
        double gradient_limit
        double gradient_part
        double moment_part
        double root_part
        double mu_product
        int64_t mu_factors

    ctypedef struct Norms "vg_norms":
        double *weight
        double *gradient
        double *update
        void *ratios

    ctypedef void (*UpdateKernel)(
        void *w, void *const *states, const void *g, Py_ssize_t n, Py_ssize_t chunk, const Update *u,
        const Norms *norms,
    ) noexcept nogil

    ctypedef struct Leaf "vg_leaf":
        void (*affine)(
            Matrix y, Matrix x, Matrix w, const void *b, bint add, const Rows *rows
        ) noexcept nogil
        void (*affine_input)(
            Matrix dx, Matrix dy, Matrix w, bint add, const Rows *rows
        ) noexcept nogil
        void (*affine_weight)(
            Matrix dw, Matrix x, Matrix dy, const Span *span, Py_ssize_t in0, Py_ssize_t in1
        ) noexcept nogil
        void (*column_sums)(
            void *db, Matrix dy, const Span *span, Py_ssize_t col0, Py_ssize_t col1
        ) noexcept nogil
        void (*column_products)(
            void *db, Matrix x, Matrix dy, const Span *span, Py_ssize_t col0, Py_ssize_t col1
        ) noexcept nogil
        void (*pack)(void *packed, Matrix w, Py_ssize_t rows, bint transposed) noexcept nogil
        void (*affine_packed)(
            Matrix y, Matrix x, const void *packed, const void *b, bint add, const Rows *rows
        ) noexcept nogil
        void (*pack_taps)(
            void *packed, Matrix w, Py_ssize_t channels, Py_ssize_t taps, Py_ssize_t groups, bint transposed
        ) noexcept nogil
        void (*convolve)(
            Matrix y, Matrix x, const void *packed, const void *b, const Pairs *pairs, Py_ssize_t taps,
            Py_ssize_t groups, bint add, const Rows *rows,
        ) noexcept nogil
        void (*convolve_weight)(
            Matrix dw, Matrix x, Matrix dy, const Pairs *pairs, Py_ssize_t taps, Py_ssize_t groups,
            Py_ssize_t rows, Py_ssize_t in0, Py_ssize_t in1,
        ) noexcept nogil
        void (*max_pool)(Matrix y, Matrix x, const Pairs *pairs, const Rows *rows) noexcept nogil
        void (*max_pool_backward)(
            Matrix dx, Matrix dy, Matrix y, Matrix x, const Pairs *pairs, bint add, const Rows *rows
        ) noexcept nogil
        void (*pool_places)(Matrix y, Matrix x, bint largest, const Rows *rows) noexcept nogil
        void (*pool_places_backward)(
            Matrix dx, Matrix dy, Matrix y, Matrix x, bint largest, bint add, const Rows *rows
        ) noexcept nogil
        void (*average_pool)(
            Matrix y, Matrix x, const Pairs *pairs, const void *factor, bint add, const Rows *rows
        ) noexcept nogil
        void (*relayout)(const Layout *y, const Layout *x, bint add, const Rows *rows) noexcept nogil
        void (*activation)(
            Matrix h, Matrix z, const Function *f, const Rows *rows
        ) noexcept nogil
        void (*activation_backward)(
            Matrix delta, Matrix h, Matrix z, const Function *f, bint done,
            const Taps *taps, const Rows *rows,
        ) noexcept nogil
        void (*sigmoid_backward)(Matrix delta, Matrix z, const Rows *rows) noexcept nogil
        void (*slope)(
            Matrix s, Matrix h, Matrix z, const Function *f, const Taps *taps, const Rows *rows
        ) noexcept nogil
        Py_ssize_t (*dead_units)(
            const void *slopes, Py_ssize_t stride, int threads, Py_ssize_t n
        ) noexcept nogil
        void (*add)(Matrix y, Matrix a, Matrix b, const Rows *rows) noexcept nogil
        void (*add_multiple)(
            Matrix y, Matrix a, Matrix x, const void *p, const Rows *rows
        ) noexcept nogil
        void (*add_scaled)(Matrix y, Matrix x, const void *p, const Rows *rows) noexcept nogil
        void (*broadcast)(Matrix y, const void *p, const Rows *rows) noexcept nogil
        void (*lstm_cell)(Matrix c, Matrix gates, Matrix before, const Rows *rows) noexcept nogil
        void (*lstm_output)(Matrix h, Matrix gates, Matrix squashed, const Rows *rows) noexcept nogil
        void (*lstm_backward)(
            Matrix gates, Matrix dc, Matrix dh, Matrix slopes, Matrix before, Matrix squashed,
            const void *const *peepholes, const Rows *rows,
        ) noexcept nogil
        void (*gru_reset)(Matrix candidate, Matrix gates, const Rows *rows) noexcept nogil
        void (*gru_gate)(Matrix y, Matrix gates, Matrix x, const Rows *rows) noexcept nogil
        void (*gru_output)(Matrix h, Matrix gates, Matrix before, const Rows *rows) noexcept nogil
        void (*gru_backward)(
            Matrix gates, Matrix carry, Matrix dh, Matrix slopes, Matrix before, const Rows *rows
        ) noexcept nogil
        void (*gru_reset_backward)(Matrix gates, Matrix slopes, const Rows *rows) noexcept nogil
        void (*gru_gate_backward)(
            Matrix gates, Matrix carry, Matrix dq, Matrix slopes, Matrix before, const Rows *rows
        ) noexcept nogil
        void (*highway_output)(Matrix h, Matrix gates, Matrix x, const Rows *rows) noexcept nogil
        void (*highway_backward)(
            Matrix delta, Matrix dh, Matrix gates, Matrix x, const Rows *rows
        ) noexcept nogil
        void (*column_moments)(Matrix moments, Matrix x, const Rows *rows) noexcept nogil
        double (*merged_moments)(
            double *mean, double *variance, Matrix moments, Py_ssize_t chunks, Py_ssize_t cols
        ) noexcept nogil
        void (*normaliser)(
            void *normaliser, const double *mean, const double *variance, double epsilon, Py_ssize_t cols
        ) noexcept nogil
        void (*normalise)(
            Matrix h, Matrix z, Matrix x, const void *normaliser, const void *weight, const void *bias,
            const Function *f, const Rows *rows,
        ) noexcept nogil
        void (*normalise_backward)(
            Matrix sums, Matrix delta, Matrix h, Matrix z, Matrix x, const void *normaliser,
            const void *weight, const void *bias, const Function *f, bint done,
            const Taps *taps, const Rows *rows,
        ) noexcept nogil
        void (*normalise_input)(
            Matrix dx, Matrix delta, Matrix x, const void *normaliser, const void *weight,
            const void *means, bint add, const Rows *rows,
        ) noexcept nogil
        void (*join_chunks)(
            void *y, Matrix sums, Py_ssize_t chunks, double scale, Py_ssize_t col0, Py_ssize_t col1
        ) noexcept nogil
        void (*blend)(void *y, const double *x, double share, double scale, Py_ssize_t n) noexcept nogil
        void (*widen)(double *y, const void *x, Py_ssize_t n) noexcept nogil
        void (*row_normalise)(
            Matrix h, Matrix z, Matrix x, const void *weight, const void *bias, double epsilon,
            bint centred, const Function *f, const Rows *rows,
        ) noexcept nogil
        void (*row_normalise_backward)(
            Matrix sums, Matrix dx, Matrix delta, Matrix h, Matrix z, Matrix x, const void *weight,
            double epsilon, bint centred, const Function *f, bint done, bint add,
            bint accumulating, const Taps *taps, const Rows *rows,
        ) noexcept nogil
        void (*group_normalise)(
            Matrix h, Matrix z, Matrix x, Matrix kept, double *work, const void *weight,
            const void *bias, double epsilon, Py_ssize_t groups, const Function *f,
            const Rows *rows,
        ) noexcept nogil
        void (*group_normalise_backward)(
            Matrix sums, Matrix dx, Matrix delta, Matrix h, Matrix z, Matrix x, Matrix kept,
            double *work, const void *weight, Py_ssize_t groups, const Function *f, bint done,
            bint add, const Taps *taps, const Rows *rows,
        ) noexcept nogil
        void (*prelu)(Matrix h, Matrix x, const void *a, bint shared, const Rows *rows) noexcept nogil
        void (*formula)(
            Matrix h, Matrix x, const Formula *f, const void *const *p, bint shared, const Rows *rows
        ) noexcept nogil
        void (*formula_backward)(
            Matrix sums, Matrix delta, Matrix x, const Formula *f, const void *const *p, bint shared,
            bint accumulating, const Rows *rows,
        ) noexcept nogil
        void (*prelu_backward)(
            Matrix sums, Matrix delta, Matrix x, const void *a, bint shared, bint accumulating,
            const Rows *rows,
        ) noexcept nogil
        void (*dropout)(
            Matrix y, Matrix x, double rate, uint64_t key, int stream, Py_ssize_t first_place,
            bint shared, const Rows *rows,
        ) noexcept nogil
        void (*alpha_dropout)(
            Matrix y, Matrix x, double rate, double scale, double shift, double dropped, uint64_t key,
            int stream, Py_ssize_t first_place, bint shared, const Rows *rows,
        ) noexcept nogil
        void (*noise_rows)(
            Matrix y, Matrix x, double sigma, uint64_t key, int stream, Py_ssize_t first_place,
            const Rows *rows,
        ) noexcept nogil
        void (*add_noise)(
            void *g, Py_ssize_t n, double sigma, uint64_t key, Py_ssize_t first_element
        ) noexcept nogil
        void (*count)(Bins *table, const void *x, Py_ssize_t n) noexcept nogil
        void (*count_rows)(Bins *table, Matrix x, const Rows *rows) noexcept nogil
        Py_ssize_t (*join_tables)(uint16_t *entry, Bins *tables, int threads) noexcept nogil
        void (*unit_squares)(Matrix sums, Matrix x, const Rows *rows) noexcept nogil
        void (*column_squares)(
            double *sums, Matrix x, Py_ssize_t rows, Py_ssize_t col0, Py_ssize_t col1
        ) noexcept nogil
        double (*unit_norm)(double up, double down) noexcept nogil
        void (*row_norms)(double *norm, Matrix x, const Rows *rows) noexcept nogil
        void (*moments)(double *mean, double *deviation, Matrix h, const Rows *rows) noexcept nogil
        void (*loss)(
            double *row_loss, Matrix delta, Matrix h, Matrix y, const LossCall *call, const Rows *rows
        ) noexcept nogil
        UpdateKernel *update
        void (*limit)(void *g, Py_ssize_t n, Factor factor, double most) noexcept nogil
        void (*adaptive_factors)(
            void *factor, Matrix w, Matrix g, double scale, double clip, Py_ssize_t rows, Py_ssize_t col0,
            Py_ssize_t col1,
        ) noexcept nogil
        void (*scale_columns)(
            Matrix g, const void *factor, Py_ssize_t row0, Py_ssize_t row1
        ) noexcept nogil
        void (*norm_ratio)(
            Matrix back, Matrix slopes, Matrix delta, double scale, const Rows *rows
        ) noexcept nogil
        void (*orthonormalise)(
            double *length, Matrix q, double least, const Rows *rows
        ) noexcept nogil
        void (*chunk_norms)(double *norm, const void *x, Py_ssize_t n, Py_ssize_t chunk) noexcept nogil
        void (*gather)(
            Matrix y, Matrix x, const int64_t *order, const Rows *rows
        ) noexcept nogil
        void (*gather_sequences)(
            Matrix y, Matrix x, const int64_t *order, Py_ssize_t time, Py_ssize_t length, const Rows *rows
        ) noexcept nogil
        void (*gather_images)(
            Matrix y, Matrix x, const int64_t *order, const Rows *rows
        ) noexcept nogil
        void (*write_image)(void *y, Matrix x, Py_ssize_t places, Py_ssize_t stride) noexcept nogil
        void (*scatter)(
            Matrix dw, Matrix dy, const int64_t *order, bint add, Py_ssize_t rows, Py_ssize_t in0,
            Py_ssize_t in1,
        ) noexcept nogil
        void (*clear_ended)(Matrix y, const Rows *rows) noexcept nogil
        void (*prefetch)(Matrix x, Py_ssize_t row) noexcept nogil
        bint (*all_finite)(const void *x, Py_ssize_t n) noexcept nogil
        void (*exp)(void *y, const void *x, Py_ssize_t n) noexcept nogil
        void (*tanh)(void *y, const void *x, Py_ssize_t n) noexcept nogil
        void (*stream)(void *w, void *const *states, const void *g, Py_ssize_t n) noexcept nogil
        double (*fma_loop)(double *flops, int64_t n) noexcept nogil
        size_t real_bytes


cdef extern from "simd/rules.h" nogil:
    void advance "vg_advance"(Update *update, Rule rule, int64_t time)


# The kernels of the CPU level in use, for reals of 4 or 8 bytes.
cdef const Leaf *leaf_table(Py_ssize_t real_bytes) noexcept nogil

# How much products may copy, or others keep, in the second-level cache: half of it.
cdef Py_ssize_t cached_bytes() noexcept nogil
