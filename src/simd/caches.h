/* What products copy, and how much of it the caches hold. */
#ifndef VG_CACHES_H
#define VG_CACHES_H

#include <stddef.h>

#include "leaf.h"

#define VG_MOST_BLOCK_BYTES (512 * 1024)
#define VG_PANEL_BYTES (VG_DEPTH_BLOCK * 8 * 64) /* a block of depth, eight of the widest vectors */

/* A thread's room for a block of A and for panels of B. */
typedef struct {
    _Alignas(64) char block[VG_MOST_BLOCK_BYTES];
    _Alignas(64) char panels[VG_PANEL_BYTES];
} vg_copies;
extern _Thread_local vg_copies vg_scratch;

/* Of rows that a product takes at once. */
extern ptrdiff_t vg_block_bytes;

/* A core's second-level cache, as the system tells its size; where it does not, 256 KiB, which no CPU with AVX2 falls
 * short of. */
ptrdiff_t vg_second_level_bytes(void);

#endif
