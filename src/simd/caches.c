#include "caches.h"

#include <stdio.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

_Thread_local vg_copies vg_scratch;
ptrdiff_t vg_block_bytes;

ptrdiff_t vg_second_level_bytes(void) {
#if defined(__APPLE__)
    int64_t size = 0; /* of the faster cores, where there are two kinds */
    size_t length = sizeof size;
    if (sysctlbyname("hw.perflevel0.l2cachesize", &size, &length, NULL, 0) == 0) return (ptrdiff_t)size;
    if (sysctlbyname("hw.l2cachesize", &size, &length, NULL, 0) == 0) return (ptrdiff_t)size;
#else
#if defined(_SC_LEVEL2_CACHE_SIZE)
    const long told = sysconf(_SC_LEVEL2_CACHE_SIZE); /* glibc asks CPUID */
    if (told > 0) return told;
#endif
    FILE *file = fopen("/sys/devices/system/cpu/cpu0/cache/index2/size", "r");
    if (file) {
        long kib = 0;
        const int read = fscanf(file, "%ldK", &kib);
        fclose(file);
        if (read == 1 && kib > 0) return kib * 1024;
    }
#endif
    return 256 * 1024;
}
