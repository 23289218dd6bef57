/* What a product is.
 *
 * The depth is cut into blocks of VG_DEPTH_BLOCK terms, and an element of C is the sum of the blocks' sums, in order: one
 * chain as long as the depth would lose digits. Nothing else has a say in an element's bits.
 */

typedef struct {
    const real *a, *b, *init; /* init: (cols,) the value every row of C starts from, or NULL */
    real *c;
    ptrdiff_t a_row, a_col, b_row, b_col, ldc;
    ptrdiff_t cols, depth;
    vg_rows rows;
    const vg_span *span; /* whose rows the depth is, from the last to the first; or NULL */
    int add, prepacked;  /* prepacked: b is what `pack` made */
} Product;

/* A block of the depth. */
typedef struct {
    ptrdiff_t begin, depth;
    ptrdiff_t from, to; /* of a tile */
    int add;
} Stretch;

INLINE Stretch stretch_at(const Product *p, ptrdiff_t begin) {
    if (p->span) {
        const Piece piece = piece_of(p->span, p->depth - begin);
        const ptrdiff_t partial = p->span->partial / (ptrdiff_t)sizeof(real);
        return (Stretch){begin, piece.end - piece.begin, piece.begun ? partial : 0, piece.cut ? partial : 0,
                         piece.add};
    }
    return (Stretch){begin, p->depth - begin < VG_DEPTH_BLOCK ? p->depth - begin : VG_DEPTH_BLOCK, 0, 0,
                     p->add || begin > 0};
}
