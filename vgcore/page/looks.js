// What everything looks like, whichever way it is drawn: palettes that neighbours are told apart by, and of each
// class its stroke, fill, width and dashes.

/** @typedef {readonly [light: string, dark: string]} Tint a colour on a light ground and on a dark one */
/** @typedef {{colour: Tint, dash: string, marker: number | null, weight?: string}} Look of a line */
/**
 * @typedef {{paper: string, ink: string, pale: string, rule: string, tint: (tint: Tint) => string,
 *   scheme: string}} Theme
 */
/**
 * @typedef {{stroke?: string, fill?: string, width?: number, dash?: string, join?: CanvasLineJoin,
 *   "fill-opacity"?: number, "stroke-opacity"?: number, font?: string}} Style
 *   colours are those of a Theme, "tint" of what is drawn, or "#" and a pattern
 */

// From cold to warm; as vgcore/plot/palette.py has them
/** @type {Tint[]} */
const COLOURS = [
  ["#332288", "#8c66fe"],
  ["#0072b2", "#1f93c8"],
  ["#56b4e9", "#b5e3fb"],
  ["#009e73", "#10d08c"],
  ["#e69f00", "#fdbb46"],
  ["#d55e00", "#f45a61"],
  ["#882255", "#e6c0ea"],
];
/** @type {Tint[]} */
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

/**
 * The colour of a share from 0 to 1 on the way through colours at equal distances.
 * @param {number[][]} stops red, green and blue each
 * @param {number} share
 */
function between(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  const mixed = stops[below].map((low, i) => Math.round(low + (place - below) * (stops[below + 1][i] - low)));
  return `rgb(${mixed.join(",")})`;
}

/**
 * The colour of a share from 0 to 1.
 * @param {number} share
 */
function viridis(share) {
  return between(VIRIDIS, share);
}

/** Red, green and blue of "#rrggbb". @param {string} hex */
function channels(hex) {
  return [1, 3, 5].map((place) => Number.parseInt(hex.slice(place, place + 2), 16));
}

const SHADES = 64;

/**
 * Colours of shares, SHADES + 1 of them.
 * @param {(share: number) => Tint} colour
 */
function shaded(colour) {
  return Array.from({ length: SHADES + 1 }, (_, i) => colour(i / SHADES));
}

/** Of a heatmap's values. */
const WARMTH = shaded((share) => [viridis(share), viridis(share)]);

/**
 * How to draw so many ordered lines, from cold to warm: colours (light, dark), dashes, marker.
 * @param {number} count
 * @returns {Look[]}
 */
function ordered(count) {
  return Array.from({ length: count }, (_, i) => {
    const share = count > 1 ? i / (count - 1) : 0.2;
    /** @type {Tint} */
    const colour =
      count <= COLOURS.length
        ? COLOURS[Math.round(share * (COLOURS.length - 1))]
        : [viridis(0.9 * share), viridis(0.2 + 0.8 * share)];
    return { colour, dash: count <= MOST_TOLD ? DASHES[i % DASHES.length] : "", marker: i };
  });
}

/**
 * How to draw the lines of the i-th run among others.
 * @param {number} i
 * @returns {Look}
 */
function familiar(i) {
  return { colour: HUES[i % HUES.length], dash: DASHES[i % DASHES.length], marker: i };
}

/** What is expected, under what is: no hue of its own. @type {Look} */
const THEORY = { colour: ["#5c5c66", "#a5a5b2"], dash: "4 3", marker: null, weight: "thin" };
/** What is expected of one of several. @param {number} [i] @returns {Look} */
function theory(i) {
  return i === undefined ? THEORY : { ...THEORY, colour: HUES[i % HUES.length], dash: "2 3" };
}

/** What was before, or is beside the point. @type {Look} */
const FAINT = { colour: ["#92929e", "#7a7a86"], dash: "", marker: null, weight: "thin" };

/** By class; "line strong" is what it adds to "line". @type {Record<string, Style>} */
const STYLES = {
  paper: { fill: "paper" },
  grid: { stroke: "rule", width: 0.7 },
  axis: { stroke: "pale" },
  outline: { stroke: "rule" },
  guide: { stroke: "pale", width: 1.5, dash: "1 4" },
  cursor: { stroke: "ink", dash: "4 3" },
  line: { stroke: "tint", width: 1.4, join: "round" },
  "line strong": { width: 2.8 },
  "line many": { width: 0.9 },
  "line thin": { width: 1 },
  marker: { stroke: "tint", fill: "tint", join: "round" },
  band: { stroke: "tint", fill: "tint", "fill-opacity": 0.16, "stroke-opacity": 0.35, width: 0.6 },
  "band strong": { "fill-opacity": 0.3 },
  "band many": { "fill-opacity": 0.05, "stroke-opacity": 0.15 },
  mark: { stroke: "paper", fill: "tint", width: 0.7 },
  point: { stroke: "paper", fill: "tint", width: 0.7 },
  hatched: { fill: "#hatch" },
  cell: {},
  "cell nan": { fill: "#hatch" },
  "cell zero": { fill: "#dots" },
  "cell below": { fill: "#dots" },
  "cell minus": { fill: "#dots" },
  "cell plus": { fill: "#cross" },
  "cell huge": { fill: "#cross" },
  shade: { fill: "tint" },
  text: { fill: "ink", font: "12px system-ui, sans-serif" },
  "text label": { fill: "pale" },
  "text title": { font: "bold 14px system-ui, sans-serif" },
};

/**
 * What cells and gaps are filled with that no axis can show: tiles of so many pixels, turned by so many degrees,
 * in the colour of ink.
 * @type {Record<string, {size: number, turn: number, d: string, stroke: boolean}>}
 */
const PATTERNS = {
  hatch: { size: 6, turn: 45, d: "M0 0V6", stroke: true },
  dots: { size: 5, turn: 0, d: "M1.6 2.5a.9 .9 0 1 0 1.8 0a.9 .9 0 1 0 -1.8 0", stroke: false },
  cross: { size: 5, turn: 0, d: "M0 2.5H5M2.5 0V5", stroke: true },
};
const PATTERN_OPACITY = 0.65; // of strokes

/** @type {Map<string, Style>} */
const stylesByClass = new Map();

/**
 * The style of a class such as "line strong".
 * @param {string} name
 */
function styleOf(name) {
  let style = stylesByClass.get(name);
  if (!style) {
    const [first, ...more] = name.split(" ");
    style = Object.assign({}, STYLES[first], ...more.map((word) => STYLES[`${first} ${word}`]));
    stylesByClass.set(name, /** @type {Style} */ (style));
  }
  return /** @type {Style} */ (style);
}

/** Colours that follow the page's light or dark by themselves. @type {Theme} */
const FOLLOWING = {
  ...{ paper: "var(--paper)", ink: "var(--ink)", pale: "var(--pale)", rule: "var(--rule)", scheme: "" },
  tint: ([light, dark]) => (light === dark ? light : `var(--on-light,${light}) var(--on-dark,${dark})`),
};

/**
 * The colours of now, where an element stands.
 * @param {Element} element
 * @returns {Theme}
 */
function themeOf(element) {
  const style = getComputedStyle(element);
  const of = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const scheme = of("scheme");
  const which = scheme === "dark" ? 1 : 0;
  const named = { paper: of("paper"), ink: of("ink"), pale: of("pale"), rule: of("rule"), scheme };
  return { ...named, tint: (tint) => tint[which] };
}
