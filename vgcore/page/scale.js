// Numbers as people read them, scales with their ticks, and colours that neighbours are told apart by.

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const LARGEST = 1e300; // that a linear axis bears: its range must not overflow

/** A number in at most four digits. */
function number(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(4));
  const text = size >= 1e-3 && size < 1e5 ? String(rounded) : rounded.toExponential();
  return text.replace("e+", "e").replace(/-/g, "−");
}

/** 10 to a power, as a label. */
function power(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPT[digit]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** Round numbers from low to high, at most so many. */
function linearTicks(low, high, most) {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(most - 1, 1);
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * [1, 2, 5, 10].find((each) => each * decade >= rough * (1 - 1e-9));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/**
 * Ticks of a log axis from 10^low to 10^high, {value, text}, at most about so many: powers of ten, of few of
 * these 2 and 5 times as much, within one of them round numbers.
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
  const stride = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200].find((each) => (last - first) / each < most);
  const found = [];
  for (let k = Math.ceil(first / stride) * stride; k <= last; k += stride)
    found.push({ value: k, text: power(k) });
  return found;
}

/**
 * An axis of values from 0 to 1: `at(value)` is NaN for what it cannot show.
 * @param values iterable of numbers that it is to show; what it cannot, it leaves out
 * @param options log; share: whether values go from 0 to 1; also: values that it shows at least; most: ticks
 */
function valueScale(values, { log = false, share = false, also = [], most = 6 } = {}) {
  let low = Infinity;
  let high = -Infinity;
  const take = (value) => {
    if (!Number.isFinite(value) || (log ? value <= 0 : Math.abs(value) > LARGEST)) return;
    const place = log ? Math.log10(value) : value;
    if (place < low) low = place;
    if (place > high) high = place;
  };
  for (const value of values) take(value);
  const empty = !(low <= high);
  also.forEach(take);
  if (share && !log) [low, high] = [0, 1];
  if (!(low <= high)) [low, high] = log ? [-1, 0] : [0, 1];
  const least = log ? 0.1 : Math.abs(high) * 1e-3 || 1;
  if (high - low < least) {
    const middle = (low + high) / 2;
    [low, high] = [middle - least / 2, middle + least / 2];
  }
  const margin = (high - low) * 0.06;
  const [begin, end] = [low - margin, high + margin];
  const ticks = log
    ? logTicks(begin, end, most).map(({ value, text }) => ({ at: (value - begin) / (end - begin), text }))
    : linearTicks(begin, end, most).map((v) => ({ at: (v - begin) / (end - begin), text: number(v) }));
  const at = (value) => {
    if (!Number.isFinite(value) || (log ? value <= 0 : Math.abs(value) > LARGEST)) return NaN;
    return ((log ? Math.log10(value) : value) - begin) / (end - begin);
  };
  return { at, ticks, log, empty, low: log ? 10 ** low : low, high: log ? 10 ** high : high };
}

// From cold to warm, each on a light ground and on a dark one; as vgcore/plot/palette.py has them
const COLOURS = [
  ["#332288", "#8c66fe"],
  ["#0072b2", "#1f93c8"],
  ["#56b4e9", "#b5e3fb"],
  ["#009e73", "#10d08c"],
  ["#e69f00", "#fdbb46"],
  ["#d55e00", "#f45a61"],
  ["#882255", "#e6c0ea"],
];
const HUES = [
  ["#0072b2", "#4ba3e3"],
  ["#d55e00", "#f07c3e"],
  ["#009e73", "#2bc49a"],
  ["#cc79a7", "#eaa0cb"],
  ["#e69f00", "#f0c04a"],
  ["#56b4e9", "#a4dbf8"],
];
const MOST_TOLD = 10; // lines that markers and dashes tell apart in a print without colours
const DASHES = ["", "7 3", "7 3 2 3", "2 3"];
// matplotlib's viridis at equal distances
const VIRIDIS = [
  ...[
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
  ],
  ...[
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
  ],
];

/** The colour of a share from 0 to 1. */
function viridis(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const mixed = VIRIDIS[below].map((low, i) =>
    Math.round(low + (place - below) * (VIRIDIS[below + 1][i] - low)),
  );
  return `rgb(${mixed.join(",")})`;
}

/** How to draw so many ordered lines, from cold to warm: colours (light, dark), dashes, marker. */
function ordered(count) {
  return Array.from({ length: count }, (_, i) => {
    const share = count > 1 ? i / (count - 1) : 0.2;
    const colour =
      count <= COLOURS.length
        ? COLOURS[Math.round(share * (COLOURS.length - 1))]
        : [viridis(0.9 * share), viridis(0.2 + 0.8 * share)];
    return { colour, dash: count <= MOST_TOLD ? DASHES[i % DASHES.length] : "", marker: i };
  });
}

/** How to draw the lines of the i-th run among others. */
function familiar(i) {
  return { colour: HUES[i % HUES.length], dash: DASHES[i % DASHES.length], marker: i };
}
