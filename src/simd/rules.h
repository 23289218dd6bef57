/* What the optimizers' rules make of the number of a step. */
#ifndef VG_RULES_H
#define VG_RULES_H

#include <float.h>
#include <math.h>

#include "leaf.h"

/* NAdam's momentum at a step (Dozat 2016, section 4). */
static inline double vg_nadam_momentum(const vg_update *u, int64_t time) {
    return u->beta1 * (1 - 0.5 * pow(0.96, (double)time * u->step_decay));
}

/* The numbers of the step that ends as the time-th, from 1 on. A product that is behind, as it is when training
 * is resumed, or ahead is multiplied up anew: until it is 0, as it is and stays after so many steps. */
static inline void vg_advance(vg_update *u, vg_rule rule, int64_t time) {
    const double t = (double)time;
    u->gradient_part = u->moment_part = u->root_part = 1;
    if (rule == VG_ADAGRAD) u->gradient_part = 1 / (1 + (t - 1) * u->step_decay);
    if (rule == VG_ADAM || rule == VG_ADAMW) u->moment_part = 1 / (1 - pow(u->beta1, t));
    if (rule == VG_ADAM || rule == VG_ADAMW || rule == VG_NADAM)
        u->root_part = 1 / sqrt(1 - pow(u->beta2, t));
    if (rule == VG_NADAM) {
        const double next = vg_nadam_momentum(u, time + 1);
        if (u->mu_factors == 0 || u->mu_factors > time) u->mu_product = 1, u->mu_factors = 0;
        while (u->mu_factors < time && u->mu_product > 0) {
            u->mu_product *= vg_nadam_momentum(u, ++u->mu_factors);
            if (u->mu_product < DBL_MIN) u->mu_product = 0; /* where subnormals are not flushed, too */
        }
        u->mu_factors = time;
        u->gradient_part = (1 - vg_nadam_momentum(u, time)) / (1 - u->mu_product);
        u->moment_part = next / (1 - u->mu_product * next);
    }
}

#endif
