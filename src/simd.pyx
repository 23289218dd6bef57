"""Chooses the CPU level of the leaf kernels, once, at import, and how much of a cache products use.

``VGCORE_CPU=baseline|avx2|avx512`` forces a level; without it the widest one this CPU runs is taken.
``VGCORE_L2=512`` says how many KiB the second-level cache of a core holds; without it the system is asked.
No result depends on it.
"""

import os


cdef extern from "simd/levels.h" nogil:
    ctypedef enum Level "vg_level":
        BASELINE "VG_BASELINE"
        AVX2 "VG_AVX2"
        AVX512 "VG_AVX512"
    bint level_runs "vg_level_runs"(Level level)
    const Leaf *table_of_level "vg_leaf_table"(Level level, int real_bytes)

cdef extern from "simd/caches.h" nogil:
    enum:
        MOST_BLOCK_BYTES "VG_MOST_BLOCK_BYTES"
    Py_ssize_t block_bytes "vg_block_bytes"
    Py_ssize_t second_level_bytes "vg_second_level_bytes"()

cdef extern from "simd/leaf.h" nogil:
    cdef enum:
        SIGMOID "VG_SIGMOID"
        TANH "VG_TANH"
        RELU "VG_RELU"
        LEAKY_RELU "VG_LEAKY_RELU"
        ELU "VG_ELU"
        SELU "VG_SELU"
        GELU "VG_GELU"
        SILU "VG_SILU"
        SOFTPLUS "VG_SOFTPLUS"
        SOFTSIGN "VG_SOFTSIGN"
        HARD_SIGMOID "VG_HARD_SIGMOID"
        MISH "VG_MISH"
        HARD_SWISH "VG_HARD_SWISH"
        GELU_TANH "VG_GELU_TANH"
        RELU6 "VG_RELU6"
        CELU "VG_CELU"
        SNAKE "VG_SNAKE"
        SOFTMAX "VG_SOFTMAX"
        SOFTMIN "VG_SOFTMIN"
        FORMULA_PROGRAM "VG_FORMULA"
        NEGATE "VG_NEGATE"
        ABS "VG_ABS"
        SIGN "VG_SIGN"
        SQRT "VG_SQRT"
        EXP "VG_EXP"
        LOG "VG_LOG"
        LOG1P "VG_LOG1P"
        SIN "VG_SIN"
        COS "VG_COS"
        TANH_OF "VG_TANH_OF"
        SIGMOID_OF "VG_SIGMOID_OF"
        SOFTPLUS_OF "VG_SOFTPLUS_OF"
        ERF "VG_ERF"
        ADD "VG_ADD"
        SUBTRACT "VG_SUBTRACT"
        MULTIPLY "VG_MULTIPLY"
        DIVIDE "VG_DIVIDE"
        POWER "VG_POWER"
        MINIMUM "VG_MINIMUM"
        MAXIMUM "VG_MAXIMUM"
        LESS "VG_LESS"
        LESS_EQUAL "VG_LESS_EQUAL"
        EQUAL "VG_EQUAL"
        NOT_EQUAL "VG_NOT_EQUAL"
        WHERE "VG_WHERE"
        WHERE_LESS "VG_WHERE_LESS"
        WHERE_LESS_EQUAL "VG_WHERE_LESS_EQUAL"
        MSE "VG_MSE"
        MAE "VG_MAE"
        HUBER "VG_HUBER"
        LOG_COSH "VG_LOG_COSH"
        HINGE "VG_HINGE"
        SQUARED_HINGE "VG_SQUARED_HINGE"
        POISSON "VG_POISSON"
        POISSON_EXPONENT "VG_POISSON_EXPONENT"
        POISSON_LOGITS "VG_POISSON_LOGITS"
        COSINE "VG_COSINE"
        BINARY "VG_BINARY"
        BINARY_LOGITS "VG_BINARY_LOGITS"
        CATEGORICAL_LOGITS "VG_CATEGORICAL_LOGITS"
        DIVERGENCE_LOGITS "VG_DIVERGENCE_LOGITS"
        LINEAR "VG_LINEAR"
        SGD "VG_SGD"
        ADAGRAD "VG_ADAGRAD"
        ADADELTA "VG_ADADELTA"
        RMSPROP "VG_RMSPROP"
        ADAM "VG_ADAM"
        ADAMW "VG_ADAMW"
        NADAM "VG_NADAM"
        LION "VG_LION"

ACTIVATIONS = {
    "identity": IDENTITY,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "selu": SELU,
    "gelu": GELU,
    "silu": SILU,
    "softplus": SOFTPLUS,
    "softsign": SOFTSIGN,
    "hard_sigmoid": HARD_SIGMOID,
    "mish": MISH,
    "hard_swish": HARD_SWISH,
    "gelu_tanh": GELU_TANH,
    "relu6": RELU6,
    "celu": CELU,
    "snake": SNAKE,
    "softmax": SOFTMAX,
    "softmin": SOFTMIN,
}
FORMULA = FORMULA_PROGRAM
OPERATORS = {
    "negate": NEGATE,
    "abs": ABS,
    "sign": SIGN,
    "sqrt": SQRT,
    "exp": EXP,
    "log": LOG,
    "log1p": LOG1P,
    "sin": SIN,
    "cos": COS,
    "tanh": TANH_OF,
    "sigmoid": SIGMOID_OF,
    "softplus": SOFTPLUS_OF,
    "erf": ERF,
    "add": ADD,
    "subtract": SUBTRACT,
    "multiply": MULTIPLY,
    "divide": DIVIDE,
    "power": POWER,
    "minimum": MINIMUM,
    "maximum": MAXIMUM,
    "less": LESS,
    "less_equal": LESS_EQUAL,
    "equal": EQUAL,
    "not_equal": NOT_EQUAL,
    "where": WHERE,
    "where_less": WHERE_LESS,
    "where_less_equal": WHERE_LESS_EQUAL,
}
LOSSES = {
    "mse": MSE,
    "mae": MAE,
    "huber": HUBER,
    "log_cosh": LOG_COSH,
    "hinge": HINGE,
    "squared_hinge": SQUARED_HINGE,
    "poisson": POISSON,
    "poisson_exponent": POISSON_EXPONENT,
    "poisson_logits": POISSON_LOGITS,
    "cosine": COSINE,
    "binary": BINARY,
    "binary_logits": BINARY_LOGITS,
    "binary_states": BINARY_STATES,
    "categorical_logits": CATEGORICAL_LOGITS,
    "divergence_logits": DIVERGENCE_LOGITS,
    "linear": LINEAR,
}
RULES = {
    "sgd": SGD,
    "adagrad": ADAGRAD,
    "adadelta": ADADELTA,
    "rmsprop": RMSPROP,
    "adam": ADAM,
    "adamw": ADAMW,
    "nadam": NADAM,
    "lion": LION,
}

_LEVELS = {"baseline": BASELINE, "avx2": AVX2, "avx512": AVX512}


def levels():
    """Names of the CPU levels that this build has and this CPU runs, narrowest first."""
    return [name for name, level in _LEVELS.items() if level_runs(level)]


def _chosen_level():
    forced = os.environ.get("VGCORE_CPU", "").lower()
    if not forced:
        return levels()[-1]
    if forced not in levels():
        raise ImportError(
            f"VGCORE_CPU: expected a level this CPU runs ({', '.join(levels())}), got {forced!r}"
        )
    return forced


level = _chosen_level()

cdef Level _level = _LEVELS[level]


def take_second_level(Py_ssize_t size):
    """Let products use half of a second-level cache of so many bytes; returns the bytes they used."""
    global block_bytes
    before = block_bytes
    block_bytes = min(size // 2, <Py_ssize_t>MOST_BLOCK_BYTES)
    return 2 * before


def _second_level():
    forced = os.environ.get("VGCORE_L2")
    if not forced:
        return second_level_bytes()
    if not (forced.isascii() and forced.isdecimal()) or not 1 <= int(forced) <= 2**40:
        raise ImportError(f"VGCORE_L2: expected a positive number of KiB, got {forced!r}")
    return int(forced) * 1024


take_second_level(_second_level())


cdef Py_ssize_t cached_bytes() noexcept nogil:
    return block_bytes


cdef const Leaf *leaf_table(Py_ssize_t real_bytes) noexcept nogil:
    return table_of_level(_level, <int>real_bytes)


def fma_peak(double seconds=0.05):
    """float32 GFLOP/s of fused multiply-adds that one core reaches at this level: the best of many runs.

    Below AVX2 there is no fused multiply-add, and a multiplication and an addition are counted.
    """
    cdef const Leaf *leaf = leaf_table(4)
    cdef double best = 0, flops = 0, elapsed, total = 0
    with nogil:
        while total < seconds:
            elapsed = leaf.fma_loop(&flops, 20_000)
            total += elapsed
            best = max(best, flops / elapsed)
    return best / 1e9
