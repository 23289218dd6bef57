#include "levels.h"

extern const vg_leaf vg_leaf_baseline_f32, vg_leaf_baseline_f64;

#if defined(__x86_64__)
#include <cpuid.h>

extern const vg_leaf vg_leaf_avx2_f32, vg_leaf_avx2_f64, vg_leaf_avx512_f32, vg_leaf_avx512_f64;
static const vg_leaf *const tables[VG_LEVELS][2] = {
    {&vg_leaf_baseline_f32, &vg_leaf_baseline_f64},
    {&vg_leaf_avx2_f32, &vg_leaf_avx2_f64},
    {&vg_leaf_avx512_f32, &vg_leaf_avx512_f64},
};

/* Bits of what CPUID and XGETBV tell: Intel's manual, volume 1, sections 13.3 and 14 to 15. */
#define ECX1_FMA (1u << 12)
#define ECX1_OSXSAVE (1u << 27)
#define EBX7_AVX2 (1u << 5)
#define EBX7_AVX512 (1u << 16 | 1u << 17 | 1u << 30 | 1u << 31) /* F, DQ, BW, VL */
#define XCR0_YMM (1u << 1 | 1u << 2)
#define XCR0_ZMM (XCR0_YMM | 1u << 5 | 1u << 6 | 1u << 7)

/* Which registers the operating system keeps for a thread; only where OSXSAVE is set. */
static unsigned kept_registers(void) {
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Asked of the CPU itself: __builtin_cpu_supports needs a runtime that not every compiler brings along. */
int vg_level_runs(vg_level level) {
    unsigned eax, ebx1, ecx1, edx, ebx7, ecx7;
    if (level == VG_BASELINE) return 1;
    if (!__get_cpuid(1, &eax, &ebx1, &ecx1, &edx) || !(ecx1 & ECX1_OSXSAVE)) return 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx7, &ecx7, &edx)) return 0;
    const unsigned kept = kept_registers();
    const int avx2 = (ecx1 & ECX1_FMA) && (ebx7 & EBX7_AVX2) && (kept & XCR0_YMM) == XCR0_YMM;
    if (level == VG_AVX2) return avx2;
    return avx2 && (ebx7 & EBX7_AVX512) == EBX7_AVX512 && (kept & XCR0_ZMM) == XCR0_ZMM;
}
#else
static const vg_leaf *const tables[1][2] = {{&vg_leaf_baseline_f32, &vg_leaf_baseline_f64}};

int vg_level_runs(vg_level level) { return level == VG_BASELINE; }
#endif

const vg_leaf *vg_leaf_table(vg_level level, int real_bytes) { return tables[level][real_bytes == 8]; }
