"""The leaf kernels (simd/leaf.h) as the rest of the engine sees them."""

from libc.stdint cimport int64_t


cdef extern from "simd/leaf.h" nogil:
    const Py_ssize_t ROW_CHUNK "VG_ROW_CHUNK"

    ctypedef struct Matrix "vg_matrix":
        void *data
        Py_ssize_t ld
        Py_ssize_t cols

    ctypedef enum Activation "vg_activation":
        pass

    ctypedef enum LossKind "vg_loss":
        pass

    ctypedef enum Rule "vg_rule":
        pass

    ctypedef struct Taps "vg_taps":
        double *delta_norm
        double *mean
        double *deviation
        double *saturated
        void *slopes

    ctypedef struct LossCall "vg_loss_call":
        LossKind kind
        bint apply_activation
        double scale
        const int64_t *labels

    ctypedef struct Update "vg_update":
        double rate
        double weight_decay
        double momentum
        double beta2
        double epsilon
        double correction1
        double correction2
        bint nesterov
        double gradient_scale
        double gradient_limit

    ctypedef struct Norms "vg_norms":
        double *weight
        double *gradient
        double *update

    ctypedef void (*UpdateKernel)(
        void *w, void *state1, void *state2, const void *g, Py_ssize_t n, Py_ssize_t chunk,
        const Update *u, const Norms *norms,
    ) noexcept nogil

    ctypedef struct Leaf "vg_leaf":
        void (*affine)(
            Matrix y, Matrix x, Matrix w, const void *b, bint add, Py_ssize_t row0, Py_ssize_t row1
        ) noexcept nogil
        void (*affine_input)(
            Matrix dx, Matrix dy, Matrix w, Py_ssize_t row0, Py_ssize_t row1
        ) noexcept nogil
        void (*affine_weight)(
            Matrix dw, Matrix x, Matrix dy, Py_ssize_t rows, Py_ssize_t in0, Py_ssize_t in1
        ) noexcept nogil
        void (*column_sums)(
            void *db, Matrix dy, Py_ssize_t rows, Py_ssize_t col0, Py_ssize_t col1
        ) noexcept nogil
        void (*activation)(
            Matrix h, Matrix z, Activation f, double alpha, Py_ssize_t row0, Py_ssize_t row1
        ) noexcept nogil
        void (*activation_backward)(
            Matrix delta, Matrix h, Matrix z, Activation f, double alpha, bint done,
            const Taps *taps, Py_ssize_t row0, Py_ssize_t row1,
        ) noexcept nogil
        Py_ssize_t (*dead_units)(
            const void *slopes, Py_ssize_t stride, int threads, Py_ssize_t n
        ) noexcept nogil
        void (*loss)(
            double *row_loss, Matrix delta, Matrix h, Matrix y, const LossCall *call,
            Py_ssize_t row0, Py_ssize_t row1,
        ) noexcept nogil
        UpdateKernel *update
        void (*chunk_norms)(double *norm, const void *x, Py_ssize_t n, Py_ssize_t chunk) noexcept nogil
        void (*gather)(
            Matrix y, Matrix x, const int64_t *order, Py_ssize_t row0, Py_ssize_t row1
        ) noexcept nogil
        void (*prefetch)(Matrix x, Py_ssize_t row) noexcept nogil
        bint (*all_finite)(const void *x, Py_ssize_t n) noexcept nogil
        void (*exp)(void *y, const void *x, Py_ssize_t n) noexcept nogil
        void (*tanh)(void *y, const void *x, Py_ssize_t n) noexcept nogil
        double (*fma_loop)(double *flops, int64_t n) noexcept nogil
        size_t real_bytes


# The kernels of the CPU level in use, for reals of 4 or 8 bytes.
cdef const Leaf *leaf_table(Py_ssize_t real_bytes) noexcept nogil
