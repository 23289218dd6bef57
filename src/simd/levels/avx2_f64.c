#define REAL_BITS 64
#define LEAF_TABLE vg_leaf_avx2_f64
#include "../kernels.h"
