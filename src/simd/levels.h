/* Which CPU levels this build has, and the table of leaf kernels of each. */
#ifndef VG_LEVELS_H
#define VG_LEVELS_H

#include "leaf.h"

typedef enum { VG_BASELINE, VG_AVX2, VG_AVX512, VG_LEVELS } vg_level;

/* 1 if this build has the level and this CPU runs it. */
int vg_level_runs(vg_level level);

/* The kernels of a level that runs, for reals of 4 or 8 bytes. */
const vg_leaf *vg_leaf_table(vg_level level, int real_bytes);

#endif
