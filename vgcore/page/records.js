// Records as vgcore.reporting packs them: numbers from base64, steps in buckets.

const BITS = ["zero", "nan", "plus", "minus"]; // of marks, as in vgcore/reporting/thinning.py
const ABSENT = 16;

function octets(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Doubles of which the upper 32 bits were kept, lower byte first. */
function doubles(text) {
  const bytes = new DataView(octets(text).buffer);
  const halves = new DataView(new ArrayBuffer(8));
  return Float64Array.from({ length: bytes.byteLength / 4 }, (_, i) => {
    halves.setUint32(0, bytes.getUint32(4 * i, true));
    return halves.getFloat64(0);
  });
}

/** A field: rows are buckets of steps, columns layers or timesteps. */
class Matrix {
  constructor(held, rows) {
    this.rows = rows;
    this.counts = held.counts;
    this.first = doubles(held.first);
    this.columns = this.first.length / Math.max(rows, 1);
    this.low = held.low ? doubles(held.low) : null;
    this.high = held.high ? doubles(held.high) : null;
    this.marks = held.marks ? octets(held.marks) : null;
  }

  /** A line through some cells, which `at(i)` gives the places of, -1 where it has no such place. */
  line(count, at) {
    const pick = (values) => Array.from({ length: count }, (_, i) => values[at(i)] ?? NaN);
    const skips = (i) => at(i) < 0;
    const absent = (i) => skips(i) || this.isAbsent(at(i));
    const kinds = (i) => this.kinds(at(i));
    const ranges = this.low ? { low: pick(this.low), high: pick(this.high) } : {};
    return { values: pick(this.first), skips, absent, kinds, ...ranges };
  }

  kinds(place) {
    const marks = this.marks?.[place] ?? 0;
    return BITS.filter((_, bit) => marks & (1 << bit));
  }

  isAbsent(place) {
    const marks = this.marks?.[place] ?? 0;
    return Number.isNaN(this.first[place]) && !(marks & ~ABSENT) && !(this.low?.[place] <= Infinity);
  }

  /** The value that a map shows: what was recorded of the step, or the largest of several. */
  shown(place) {
    const marks = this.kinds(place);
    if (marks.includes("nan")) return NaN;
    if (marks.includes("plus")) return Infinity;
    const high = this.high?.[place];
    return high === undefined || Number.isNaN(high) ? this.first[place] : high;
  }

  /** How many values are what, of some columns. */
  tally(columns) {
    const sums = BITS.map((_, bit) => columns.reduce((sum, c) => sum + (this.counts[c]?.[bit] ?? 0), 0));
    return Object.fromEntries(BITS.map((name, bit) => [name, sums[bit]]));
  }

  /** Whether a column has any value. */
  has(column) {
    for (let r = 0; r < this.rows; r++) if (!this.isAbsent(r * this.columns + column)) return true;
    return false;
  }
}

/** Steps in buckets: the first and the last of each. */
class Steps {
  constructor({ first, last }) {
    this.first = first;
    this.last = last;
    this.count = first.length;
  }

  /** The bucket that a step is in, or that comes before it. */
  at(step) {
    let found = 0;
    this.first.forEach((first, i) => {
      if (first <= step) found = i;
    });
    return found;
  }

  name(i) {
    const [first, last] = [this.first[i], this.last[i]].map((step) => step.toLocaleString("en"));
    return first === last ? `step ${first}` : `step ${first} (to ${last})`;
  }
}

class Run {
  constructor(held) {
    Object.assign(this, held);
    this.steps = new Steps(held.steps);
    this.loss = new Matrix(held.loss, this.steps.count);
    this.fields = matrices(held.fields, this.steps.count);
    this.walks = Object.fromEntries(
      Object.entries(held.walks).map(([name, walk]) => {
        const steps = new Steps(walk.steps);
        return [name, { ...walk, steps, fields: matrices(walk.fields, steps.count) }];
      }),
    );
  }
}

function matrices(held, rows) {
  const found = {};
  for (const [name, field] of Object.entries(held)) {
    found[name] = field.like ? found[field.like] : new Matrix(field, rows);
  }
  return found;
}
