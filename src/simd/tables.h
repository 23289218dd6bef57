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

/* A joined table, in words of 16 bits: the lowest exponent; how many there are from there on; how many words a number
 * takes, 1 or 4; then what is special, and positive and negative numbers of each exponent. */
enum { VG_ENTRY_HEAD = 3 };
#define VG_LONGEST_ENTRY(real_bytes) (VG_ENTRY_HEAD + 4 * (VG_SPECIALS + 2 * VG_EXPONENTS(real_bytes)))

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

/* The field from which on so many words hold most of a table's numbers; *outside: how many they miss. */
static inline ptrdiff_t vg_best_window(const vg_bins *table, int words, int real_bytes, int64_t *outside) {
    const int64_t *count = table->count;
    const ptrdiff_t span = 16 * words;
    int64_t inside = 0, all = 0, most = -1;
    ptrdiff_t best = 0;
    for (ptrdiff_t k = table->lowest; k <= table->highest; k++) {
        const int64_t here = count[2 * k] + count[2 * k + 1];
        all += here;
        inside += here;
        if (k - span >= table->lowest) inside -= count[2 * (k - span)] + count[2 * (k - span) + 1];
        if (inside > most) {
            most = inside;
            best = k - span + 1;
        }
    }
    *outside = all - most;
    return vg_window_at(best + VG_NORMAL_FIELDS(real_bytes) + 1 - VG_EXPONENTS(real_bytes), words, real_bytes);
}

/* Adds a table to another. */
static inline void vg_add_table(vg_bins *to, const vg_bins *table) {
    for (int i = 0; i < VG_SPECIALS; i++) to->special[i] += table->special[i];
    for (ptrdiff_t i = 2 * table->lowest; i < 2 * (table->highest + 1); i++) to->count[i] += table->count[i];
    if (table->lowest < to->lowest) to->lowest = table->lowest;
    if (table->highest > to->highest) to->highest = table->highest;
}

static inline ptrdiff_t vg_write_numbers(uint16_t *to, const int64_t *numbers, ptrdiff_t n, int wide) {
    if (wide)
        memcpy(to, numbers, n * sizeof *numbers);
    else
        for (ptrdiff_t i = 0; i < n; i++) to[i] = (uint16_t)numbers[i];
    return wide ? 4 * n : n;
}

/* The tables of all threads as one entry, whose words are counted; they are empty then, and know where to count next
 * time: two words cost about half as much again, so that they pay where a batch in two would miss a number. */
static inline ptrdiff_t vg_join_tables(uint16_t *entry, vg_bins *tables, int threads, int real_bytes) {
    const ptrdiff_t bytes = VG_TABLE_BYTES(real_bytes);
    ptrdiff_t width, size = VG_ENTRY_HEAD;
    int64_t outside, all = 0;
    for (int t = 1; t < threads; t++) vg_add_table(tables, (vg_bins *)((char *)tables + t * bytes));
    width = tables->highest < tables->lowest ? 0 : tables->highest + 1 - tables->lowest;
    for (int i = 0; i < VG_SPECIALS; i++) all += tables->special[i];
    for (ptrdiff_t i = 0; i < 2 * width; i++) all += tables->count[2 * tables->lowest + i];
    const int wide = all > UINT16_MAX;
    entry[0] = (uint16_t)tables->lowest;
    entry[1] = (uint16_t)width;
    entry[2] = wide ? 4 : 1;
    size += vg_write_numbers(entry + size, tables->special, VG_SPECIALS, wide);
    size += vg_write_numbers(entry + size, tables->count + 2 * tables->lowest, 2 * width, wide);
    if (width > 0) {
        int words = 1;
        ptrdiff_t window = vg_best_window(tables, words, real_bytes, &outside);
        if (1000 * outside > all) window = vg_best_window(tables, words = 2, real_bytes, &outside);
        for (int t = 0; t < threads; t++) {
            vg_bins *table = (vg_bins *)((char *)tables + t * bytes);
            table->window = window;
            table->words = words;
        }
    }
    for (int t = 0; t < threads; t++) vg_clear_table((vg_bins *)((char *)tables + t * bytes), real_bytes);
    return size;
}

#endif
