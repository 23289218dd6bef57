#include "levels.h"

extern const vg_leaf vg_leaf_baseline_f32, vg_leaf_baseline_f64;

#if defined(__x86_64__)
extern const vg_leaf vg_leaf_avx2_f32, vg_leaf_avx2_f64, vg_leaf_avx512_f32, vg_leaf_avx512_f64;
static const vg_leaf *const tables[VG_LEVELS][2] = {
    {&vg_leaf_baseline_f32, &vg_leaf_baseline_f64},
    {&vg_leaf_avx2_f32, &vg_leaf_avx2_f64},
    {&vg_leaf_avx512_f32, &vg_leaf_avx512_f64},
};

int vg_level_runs(vg_level level) {
    switch (level) {
    case VG_BASELINE: return 1;
    case VG_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case VG_AVX512:
        return vg_level_runs(VG_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw");
    default: return 0;
    }
}
#else
static const vg_leaf *const tables[1][2] = {{&vg_leaf_baseline_f32, &vg_leaf_baseline_f64}};

int vg_level_runs(vg_level level) { return level == VG_BASELINE; }
#endif

const vg_leaf *vg_leaf_table(vg_level level, int real_bytes) { return tables[level][real_bytes == 8]; }
