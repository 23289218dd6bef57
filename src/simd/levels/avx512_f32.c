#define REAL_BITS 32
#define LEAF_TABLE vg_leaf_avx512_f32
#include "../kernels.h"
