// Numbers as people read them, and scales with their ticks.

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const LARGEST = 1e300; // that a linear axis bears: its range must not overflow
const MOST_TICKS = 6;

/** @typedef {{low: number, high: number}} Ends ends of an axis; of a log axis powers of ten */
/** @typedef {{at: number, text: string}} Tick */
/**
 * @typedef {{at: (value: number) => number, ticks: Tick[], log: boolean, empty: boolean, low: number,
 *   high: number, range: Ends}} Scale
 */

/**
 * A number in at most four digits.
 * @param {number} value
 */
function number(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(4));
  const text = size >= 1e-3 && size < 1e5 ? String(rounded) : rounded.toExponential();
  return text.replace("e+", "e").replace(/-/g, "−");
}

/**
 * 10 to a power, as a label.
 * @param {number} exponent
 */
function power(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPT[Number(digit)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/**
 * A round number, at most a bit less than `rough`: 1, 2 or 5 times a power of ten.
 * @param {number} rough
 */
function roundStep(rough) {
  const decade = 10 ** Math.floor(Math.log10(rough));
  return decade * ([1, 2, 5].find((each) => each * decade >= rough * (1 - 1e-9)) ?? 10);
}

/**
 * Round numbers from low to high, at most so many.
 * @param {number} low
 * @param {number} high
 * @param {number} most
 */
function linearTicks(low, high, most) {
  if (!(high > low)) return [low];
  const step = roundStep((high - low) / Math.max(most - 1, 1));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/**
 * Ticks of a log axis from 10^low to 10^high, at most about so many: powers of ten, of few of these 2 and 5
 * times as much, within one of them round numbers.
 * @param {number} low
 * @param {number} high
 * @param {number} most
 */
function logTicks(low, high, most) {
  if (high - low < 0.7) {
    return linearTicks(10 ** low, 10 ** high, most).map((value) => ({
      value: Math.log10(value),
      text: number(value),
    }));
  }
  if (high - low < 2) {
    const found = [];
    for (let k = Math.floor(low); k <= high; k++)
      found.push(...[1, 2, 5].map((digit) => k + Math.log10(digit)));
    const inside = found.filter((value) => value >= low && value <= high);
    return inside.map((value) => ({ value, text: number(Number((10 ** value).toPrecision(3))) }));
  }
  const first = Math.ceil(low - 1e-9);
  const last = Math.floor(high + 1e-9);
  const stride = [1, 2, 3, 5, 10, 20, 30, 50, 100].find((each) => (last - first) / each < most) ?? 200;
  const found = [];
  for (let k = Math.ceil(first / stride) * stride; k <= last; k += stride)
    found.push({ value: k, text: power(k) });
  return found;
}

/**
 * The round number next to a value, or a bit beyond.
 * @param {number} value
 * @param {1 | -1} way up or down
 * @param {number} step of round numbers
 * @param {boolean} log whether these are powers of ten, between which 2 and 5 times as much is round, too
 */
function roundBeyond(value, way, step, log) {
  const whole = (/** @type {number} */ each) => way * Math.ceil((way * each) / step + 0.1) * step;
  if (!log || step >= 1 || step < 0.1) return whole(value);
  const decade = Math.floor(value);
  const round = [-1, 0, 1].flatMap((k) => [1, 2, 5].map((digit) => decade + k + Math.log10(digit)));
  const beyond = round.filter((each) => way * (each - value) > 0.1 * step);
  return way > 0 ? Math.min(...beyond) : Math.max(...beyond);
}

/**
 * The ends of an axis that shall not jitter: as they were, where all fits and fills more than half of them;
 * else round ones, beyond what they were if that leaves less than half empty.
 * @param {number} low
 * @param {number} high
 * @param {boolean} log
 * @param {Ends | undefined} last
 * @returns {Ends}
 */
function steadyRange(low, high, log, last) {
  const fills = (/** @type {Ends} */ ends) => high - low > 0.5 * (ends.high - ends.low);
  if (last && last.low <= low && high <= last.high && fills(last)) return last;
  const step = roundStep((high - low) / 10);
  const [floor, ceiling] = log ? [-323, 308] : [-Infinity, Infinity]; // powers of ten that there are numbers of
  const ends = {
    low: Math.max(roundBeyond(low, -1, step, log), floor),
    high: Math.min(roundBeyond(high, 1, step, log), ceiling),
  };
  const both = last && { low: Math.min(ends.low, last.low), high: Math.max(ends.high, last.high) };
  return both && fills(both) ? both : ends;
}

/**
 * An axis of values from 0 to 1: `at(value)` is NaN for what it cannot show.
 * @param {Iterable<Iterable<number>>} shown numbers that it is to show; what it cannot, it leaves out
 * @param {{log?: boolean, share?: boolean, even?: boolean, also?: number[], steady?: boolean, last?: Ends}} options
 *   share: whether values go from 0 to 1; even: whether 0 is in the middle; also: values that it shows at least;
 *   steady: whether it keeps to its last ends where it can
 * @returns {Scale}
 */
function valueScale(
  shown,
  { log = false, share = false, even = false, also = [], steady = false, last } = {},
) {
  let low = Infinity;
  let high = -Infinity;
  const [floor, ceiling] = log ? [Number.MIN_VALUE, Number.MAX_VALUE] : [-LARGEST, LARGEST];
  const take = (/** @type {number} */ value) => {
    if (!(value >= floor && value <= ceiling)) return;
    if (value < low) low = value;
    if (value > high) high = value;
  };
  for (const values of shown) for (const value of values) take(value);
  const empty = !(low <= high);
  also.forEach(take);
  if (log) [low, high] = [Math.log10(low), Math.log10(high)];
  if (share && !log) [low, high] = [0, 1];
  if (!(low <= high)) [low, high] = log ? [-1, 0] : [0, 1];
  const most = Math.max(Math.abs(low), Math.abs(high));
  if (even) [low, high] = [-most, most];
  const least = log ? 0.1 : Math.abs(high) * 1e-3 || 1;
  if (high - low < least) {
    const middle = (low + high) / 2;
    [low, high] = [middle - least / 2, middle + least / 2];
  }
  const margin = even ? 0 : (high - low) * 0.06;
  const fresh = { low: low - margin, high: high + margin };
  const keeps = steady && !(share && !log);
  const range = keeps ? steadyRange(low, high, log, last) : fresh;
  if (keeps) ({ low, high } = range);
  const [begin, span] = [range.low, range.high - range.low];
  const told = log
    ? logTicks(begin, range.high, MOST_TICKS)
    : linearTicks(begin, range.high, MOST_TICKS).map((value) => ({ value, text: number(value) }));
  const ticks = told.map(({ value, text }) => ({ at: (value - begin) / span, text }));
  /** @type {(value: number) => number} */
  const at = (value) =>
    value >= floor && value <= ceiling ? ((log ? Math.log10(value) : value) - begin) / span : NaN;
  return { at, ticks, log, empty, range, low: log ? 10 ** low : low, high: log ? 10 ** high : high };
}
