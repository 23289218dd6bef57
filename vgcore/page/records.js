// Records as vgcore.reporting packs them: numbers from base64, steps in buckets.

const BITS = ["zero", "nan", "plus", "minus"]; // of marks, as in vgcore/reporting/thinning.py
const ABSENT = 16;

/**
 * @param {string} text in base64
 */
function octets(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/**
 * Doubles of which the upper 32 bits were kept, lower byte first.
 * @param {string} text in base64
 */
function doubles(text) {
  const bytes = new DataView(octets(text).buffer);
  const halves = new DataView(new ArrayBuffer(8));
  return Float64Array.from({ length: bytes.byteLength / 4 }, (_, i) => {
    halves.setUint32(0, bytes.getUint32(4 * i, true));
    return halves.getFloat64(0);
  });
}

/**
 * @typedef {{first: string, low?: string, high?: string, marks?: string, counts: number[][], like?: string}} HeldField
 *   numbers of each cell in base64, and for each column how many values are what
 */
/** @typedef {{first: number[], last: number[]}} HeldSteps */
/** @typedef {HeldSteps & {timesteps: number, steps: HeldSteps, fields: Record<string, HeldField>}} HeldWalk */
/** @typedef {{steps: number[], bins: number, exponent: number, shares: string, bytes?: Uint8Array}} Distribution */
/** @typedef {HeldField & {matrix?: Matrix}} HeldUnits */
/**
 * @typedef {{fields?: Record<string, Record<string, HeldUnits>>, steps?: HeldSteps,
 *   layers: Record<string, HeldSteps>}} Units
 */
/**
 * @typedef {{name: string, layers: string[], steps: HeldSteps, loss: HeldField, fields: Record<string, HeldField>,
 *   walks: Record<string, HeldWalk>, distributions: Record<string, Distribution>, units: Units}} HeldRun
 */

/** A field: rows are buckets of steps, columns layers or timesteps. */
class Matrix {
  /**
   * @param {HeldField} held
   * @param {number} rows
   */
  constructor(held, rows) {
    this.rows = rows;
    this.counts = held.counts;
    this.first = doubles(held.first);
    this.columns = this.first.length / Math.max(rows, 1);
    this.low = held.low ? doubles(held.low) : null;
    this.high = held.high ? doubles(held.high) : null;
    this.marks = held.marks ? octets(held.marks) : null;
  }

  /**
   * A line through some cells.
   * @param {number} count
   * @param {(i: number) => number} at the cell of a place, -1 where it has no such place
   */
  line(count, at) {
    const pick = (/** @type {Float64Array} */ values) =>
      Array.from({ length: count }, (_, i) => values[at(i)] ?? NaN);
    const skips = (/** @type {number} */ i) => at(i) < 0;
    const absent = (/** @type {number} */ i) => skips(i) || this.isAbsent(at(i));
    const kinds = (/** @type {number} */ i) => this.kinds(at(i));
    const ranges = this.low && this.high ? { low: pick(this.low), high: pick(this.high) } : {};
    return { values: pick(this.first), skips, absent, kinds, ...ranges };
  }

  /** @param {number} place */
  kinds(place) {
    const marks = this.marks?.[place] ?? 0;
    return BITS.filter((_, bit) => marks & (1 << bit));
  }

  /** @param {number} place */
  isAbsent(place) {
    const marks = this.marks?.[place] ?? 0;
    return Number.isNaN(this.first[place]) && !(marks & ~ABSENT) && !((this.low?.[place] ?? NaN) <= Infinity);
  }

  /**
   * The value that a map shows: what was recorded of the step, or the largest of several.
   * @param {number} place
   */
  shown(place) {
    const marks = this.kinds(place);
    if (marks.includes("nan")) return NaN;
    if (marks.includes("plus")) return Infinity;
    const high = this.high?.[place];
    return high === undefined || Number.isNaN(high) ? this.first[place] : high;
  }

  /**
   * How many values are what, of some columns.
   * @param {number[]} columns
   * @returns {Record<string, number>}
   */
  tally(columns) {
    const sums = BITS.map((_, bit) => columns.reduce((sum, c) => sum + (this.counts[c]?.[bit] ?? 0), 0));
    return Object.fromEntries(BITS.map((name, bit) => [name, sums[bit]]));
  }

  /**
   * Whether a column has any value.
   * @param {number} column
   */
  has(column) {
    for (let r = 0; r < this.rows; r++) if (!this.isAbsent(r * this.columns + column)) return true;
    return false;
  }
}

/** Steps in buckets: the first and the last of each. */
class Steps {
  /** @param {HeldSteps} held */
  constructor({ first, last }) {
    this.first = first;
    this.last = last;
    this.count = first.length;
  }

  /**
   * The bucket that a step is in, or that comes before it.
   * @param {number} step
   */
  at(step) {
    let found = 0;
    this.first.forEach((first, i) => {
      if (first <= step) found = i;
    });
    return found;
  }

  /** @param {number} i */
  name(i) {
    const [first, last] = [this.first[i], this.last[i]].map((step) => step.toLocaleString("en"));
    return first === last ? `step ${first}` : `step ${first} (to ${last})`;
  }
}

class Run {
  /** @param {HeldRun} held */
  constructor(held) {
    this.name = held.name;
    this.layers = held.layers;
    this.distributions = held.distributions;
    this.units = held.units;
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

/**
 * Fields by name; of those that are alike there is one.
 * @param {Record<string, HeldField>} held
 * @param {number} rows
 */
function matrices(held, rows) {
  /** @type {Record<string, Matrix>} */
  const found = {};
  for (const [name, field] of Object.entries(held)) {
    found[name] = field.like ? found[field.like] : new Matrix(field, rows);
  }
  return found;
}
