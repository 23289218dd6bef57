/* One timestep of the recurrent layers, between the matrix products and the activations. */

static void add(vg_matrix y, vg_matrix a, vg_matrix b, const vg_rows *rows) {
    FOR_ROWS(r, rows) {
        real *out = ROW(y);
        const real *one = a.data ? ROW(a) : NULL, *other = ROW(b);
        if (one)
            FOR_COLUMNS(y.cols, PUT(out, AT(one) + AT(other)););
        else
            FOR_COLUMNS(y.cols, PUT(out, AT(other)););
    }
}

static void add_multiple(vg_matrix y, vg_matrix a, vg_matrix x, const void *p, const vg_rows *rows) {
    const real factor = p ? *(const real *)p : 1;
    FOR_ROWS(r, rows) {
        real *out = ROW(y);
        const real *one = a.data ? ROW(a) : NULL, *other = ROW(x);
        if (one)
            FOR_COLUMNS(y.cols, PUT(out, AT(one) + factor * AT(other)););
        else
            FOR_COLUMNS(y.cols, PUT(out, factor * AT(other)););
    }
}

static void add_scaled(vg_matrix y, vg_matrix x, const void *p, const vg_rows *rows) {
    const real *scale = p;
    FOR_ROWS(r, rows) {
        real *out = ROW(y);
        const real *in = ROW(x);
        FOR_COLUMNS(y.cols, PUT(out, AT(out) + AT(scale) * AT(in)););
    }
}

static void broadcast(vg_matrix y, const void *p, const vg_rows *rows) {
    FOR_ROWS(r, rows) memcpy(ROW(y), p, y.cols * sizeof(real));
}

enum { LSTM_I, LSTM_F, LSTM_G, LSTM_O, LSTM_SQUASHED };

static void lstm_cell(vg_matrix c, vg_matrix gates, vg_matrix before, const vg_rows *rows) {
    const ptrdiff_t n = c.cols;
    FOR_ROWS(r, rows) {
        real *out = ROW(c);
        const real *gate = ROW(gates), *last = ROW(before);
        FOR_COLUMNS(n, PUT(out, GATE(LSTM_F) * AT(last) + GATE(LSTM_I) * GATE(LSTM_G)););
    }
}

static void lstm_output(vg_matrix h, vg_matrix gates, vg_matrix squashed, const vg_rows *rows) {
    const ptrdiff_t n = h.cols;
    FOR_ROWS(r, rows) {
        real *out = ROW(h);
        const real *gate = ROW(gates), *s = ROW(squashed);
        FOR_COLUMNS(n, PUT(out, GATE(LSTM_O) * AT(s)););
    }
}

#define SLOPE(k) load_first(slope + (k) * n + j, lanes)

INLINE void lstm_backward_rows(const int peeping, vg_matrix gates, vg_matrix dc, vg_matrix dh, vg_matrix slopes,
                               vg_matrix before, vg_matrix squashed, const real *pi, const real *pf,
                               const real *po, const vg_rows *rows) {
    const ptrdiff_t n = dc.cols;
    FOR_ROWS(r, rows) {
        real *gate = ROW(gates), *cell = ROW(dc), *slope = ROW(slopes);
        const real *out = ROW(dh), *last = ROW(before), *s = ROW(squashed);
        FOR_COLUMNS(n, {
            const vec i = GATE(LSTM_I), f = GATE(LSTM_F), g = GATE(LSTM_G), dht = AT(out);
            const vec dzo = dht * AT(s) * SLOPE(LSTM_O);
            vec dct = AT(cell) + dht * GATE(LSTM_O) * SLOPE(LSTM_SQUASHED);
            if (peeping) dct += dzo * AT(po);
            const vec dzi = dct * g * SLOPE(LSTM_I), dzf = dct * AT(last) * SLOPE(LSTM_F);
            PUT_GATE(LSTM_I, dzi);
            PUT_GATE(LSTM_F, dzf);
            PUT_GATE(LSTM_G, dct * i * SLOPE(LSTM_G));
            PUT_GATE(LSTM_O, dzo);
            PUT(slope + LSTM_SQUASHED * n, dct);
            dct *= f;
            if (peeping) dct += dzi * AT(pi) + dzf * AT(pf);
            PUT(cell, dct);
        });
    }
}

static void lstm_backward(vg_matrix gates, vg_matrix dc, vg_matrix dh, vg_matrix slopes, vg_matrix before,
                          vg_matrix squashed, const void *const *peepholes, const vg_rows *rows) {
    if (peepholes)
        lstm_backward_rows(1, gates, dc, dh, slopes, before, squashed, peepholes[0], peepholes[1], peepholes[2],
                           rows);
    else
        lstm_backward_rows(0, gates, dc, dh, slopes, before, squashed, NULL, NULL, NULL, rows);
}

enum { GRU_R, GRU_Z, GRU_M, GRU_N };
enum { SLOPE_R, SLOPE_Z, SLOPE_N };

static void gru_reset(vg_matrix candidate, vg_matrix gates, const vg_rows *rows) {
    const ptrdiff_t n = candidate.cols;
    FOR_ROWS(r, rows) {
        real *out = ROW(candidate);
        const real *gate = ROW(gates);
        FOR_COLUMNS(n, PUT(out, AT(out) + GATE(GRU_R) * GATE(GRU_M)););
    }
}

static void gru_gate(vg_matrix y, vg_matrix gates, vg_matrix x, const vg_rows *rows) {
    const ptrdiff_t n = y.cols;
    FOR_ROWS(r, rows) {
        real *out = ROW(y);
        const real *gate = ROW(gates), *in = ROW(x);
        FOR_COLUMNS(n, PUT(out, GATE(GRU_R) * AT(in)););
    }
}

static void gru_output(vg_matrix h, vg_matrix gates, vg_matrix before, const vg_rows *rows) {
    const ptrdiff_t n = h.cols;
    FOR_ROWS(r, rows) {
        real *out = ROW(h);
        const real *gate = ROW(gates), *last = ROW(before);
        FOR_COLUMNS(n, {
            const vec z = GATE(GRU_Z);
            PUT(out, (1 - z) * GATE(GRU_N) + z * AT(last));
        });
    }
}

static void gru_backward(vg_matrix gates, vg_matrix carry, vg_matrix dh, vg_matrix slopes, vg_matrix before,
                         const vg_rows *rows) {
    const ptrdiff_t n = dh.cols;
    FOR_ROWS(r, rows) {
        real *gate = ROW(gates), *through = ROW(carry);
        const real *out = ROW(dh), *slope = ROW(slopes), *last = ROW(before);
        FOR_COLUMNS(n, {
            const vec z = GATE(GRU_Z), dht = AT(out);
            PUT_GATE(GRU_Z, dht * (AT(last) - GATE(GRU_N)) * SLOPE(SLOPE_Z));
            PUT_GATE(GRU_N, dht * (1 - z) * SLOPE(SLOPE_N));
            PUT(through, dht * z);
        });
    }
}

static void gru_reset_backward(vg_matrix gates, vg_matrix slopes, const vg_rows *rows) {
    const ptrdiff_t n = gates.cols / 4;
    FOR_ROWS(r, rows) {
        real *gate = ROW(gates);
        const real *slope = ROW(slopes);
        FOR_COLUMNS(n, {
            const vec reset = GATE(GRU_R), dn = GATE(GRU_N);
            PUT_GATE(GRU_R, dn * GATE(GRU_M) * SLOPE(SLOPE_R));
            PUT_GATE(GRU_M, dn * reset);
        });
    }
}

static void gru_gate_backward(vg_matrix gates, vg_matrix carry, vg_matrix dq, vg_matrix slopes,
                              vg_matrix before, const vg_rows *rows) {
    const ptrdiff_t n = dq.cols;
    FOR_ROWS(r, rows) {
        real *gate = ROW(gates), *through = ROW(carry);
        const real *d = ROW(dq), *slope = ROW(slopes), *last = ROW(before);
        FOR_COLUMNS(n, {
            const vec reset = GATE(GRU_R), dqt = AT(d);
            PUT_GATE(GRU_R, dqt * AT(last) * SLOPE(SLOPE_R));
            PUT(through, AT(through) + reset * dqt);
        });
    }
}
