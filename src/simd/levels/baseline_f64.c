#define REAL_BITS 64
#define LEAF_TABLE vg_leaf_baseline_f64
#include "../kernels.h"
