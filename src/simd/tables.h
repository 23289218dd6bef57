/* Tables of how many numbers there are of each sign and binary exponent: filled by each thread for itself (bins.h),
 * joined at the end of a step. */
#ifndef VG_TABLES_H
#define VG_TABLES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VG_ZEROS, VG_NANS, VG_PLUS_INF, VG_MINUS_INF, VG_SPECIALS };

/* Exponent k stands for magnitudes from 2^k times the smallest subnormal up to twice that. */
typedef struct {
    ptrdiff_t lowest, highest; /* that occur; the lowest is above the highest where none does */
    ptrdiff_t window;          /* the exponent field that vectors count from, */
    int words;                 /* ... so many times 16 of them; 0: not known yet */
    int64_t special[VG_SPECIALS];
    int64_t count[]; /* (exponents, 2): positive, negative */
} vg_bins;

/* Binary exponents of a real, subnormal or not, and the exponent fields of the normal ones. */
#define VG_EXPONENTS(real_bytes) ((real_bytes) == 4 ? 277 : 2098)
#define VG_NORMAL_FIELDS(real_bytes) ((real_bytes) == 4 ? 254 : 2046)

/* A table, to the end of its last cache line. */
#define VG_TABLE_BYTES(real_bytes) ((sizeof(vg_bins) + 16 * VG_EXPONENTS(real_bytes) + 63) / 64 * 64)

/* A joined table: lowest exponent, how many there are from there on, what is special, then positive and negative of each. */
enum { VG_ENTRY_HEAD = 2 + VG_SPECIALS };
#define VG_LONGEST_ENTRY(real_bytes) (VG_ENTRY_HEAD + 2 * VG_EXPONENTS(real_bytes))

static inline void vg_clear_table(vg_bins *table, int real_bytes) {
    if (table->lowest <= table->highest)
        memset(table->count + 2 * table->lowest, 0, 16 * (table->highest + 1 - table->lowest));
    memset(table->special, 0, sizeof table->special);
    table->lowest = VG_EXPONENTS(real_bytes);
    table->highest = -1;
}

/* The window of so many words that begins with a field, or the nearest to it that holds normal numbers alone. */
static inline ptrdiff_t vg_window_at(ptrdiff_t field, int words, int real_bytes) {
    const ptrdiff_t last = VG_NORMAL_FIELDS(real_bytes) + 1 - 16 * words;
    return field < 1 ? 1 : field > last ? last : field;
}

/* The field from which on so many words hold most of an entry's numbers; *outside: how many they miss. */
static inline ptrdiff_t vg_best_window(const int64_t *entry, int words, int real_bytes, int64_t *outside) {
    const int64_t width = entry[1], span = 16 * words, *count = entry + VG_ENTRY_HEAD;
    const ptrdiff_t first = (ptrdiff_t)entry[0] + VG_NORMAL_FIELDS(real_bytes) + 1 - VG_EXPONENTS(real_bytes);
    int64_t inside = 0, all = 0, most = -1;
    ptrdiff_t best = first;
    for (ptrdiff_t i = 0; i < width; i++) {
        all += count[2 * i] + count[2 * i + 1];
        inside += count[2 * i] + count[2 * i + 1];
        if (i >= span) inside -= count[2 * (i - span)] + count[2 * (i - span) + 1];
        if (inside > most) {
            most = inside;
            best = first + i - span + 1;
        }
    }
    *outside = all - most;
    return vg_window_at(best, words, real_bytes);
}

/* The tables of all threads as one entry, whose length is returned; they are empty then, and know where to count
 * next time: two words cost about half as much again, so that they pay where a batch in two would miss a number. */
static inline ptrdiff_t vg_join_tables(int64_t *entry, vg_bins *tables, int threads, int real_bytes) {
    const ptrdiff_t bytes = VG_TABLE_BYTES(real_bytes);
    ptrdiff_t lowest = VG_EXPONENTS(real_bytes), highest = -1, width, window;
    int64_t outside, total = 0;
    int words = 1;
#define TABLE(t) ((vg_bins *)((char *)tables + (t) * bytes))
    for (int t = 0; t < threads; t++) {
        if (TABLE(t)->lowest < lowest) lowest = TABLE(t)->lowest;
        if (TABLE(t)->highest > highest) highest = TABLE(t)->highest;
    }
    width = highest < lowest ? 0 : highest + 1 - lowest;
    entry[0] = lowest;
    entry[1] = width;
    memset(entry + 2, 0, (VG_SPECIALS + 2 * width) * sizeof *entry);
    for (int t = 0; t < threads; t++) {
        for (int i = 0; i < VG_SPECIALS; i++) entry[2 + i] += TABLE(t)->special[i];
        for (ptrdiff_t i = 0; i < 2 * width; i++) entry[VG_ENTRY_HEAD + i] += TABLE(t)->count[2 * lowest + i];
        vg_clear_table(TABLE(t), real_bytes);
    }
    for (ptrdiff_t i = 0; i < 2 * width; i++) total += entry[VG_ENTRY_HEAD + i];
    if (width > 0) {
        window = vg_best_window(entry, words, real_bytes, &outside);
        if (1000 * outside > total) window = vg_best_window(entry, words = 2, real_bytes, &outside);
        for (int t = 0; t < threads; t++) {
            TABLE(t)->window = window;
            TABLE(t)->words = words;
        }
    }
#undef TABLE
    return VG_ENTRY_HEAD + 2 * width;
}

#endif
