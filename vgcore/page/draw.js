// Drawings: plain trees of what is drawn, which svg.js and paint.js show. Here are the frame of a picture, its axes,
// and marks of what an axis cannot show. They know nothing of records, nor of what surrounds them on the page.
// Needs scale.js and looks.js.

/**
 * @typedef {{
 *   class?: string, tint?: Tint, dash?: string, d?: string, course?: Course, x?: number, y?: number,
 *   width?: number, height?: number, anchor?: "start" | "middle" | "end", turned?: boolean,
 *   at?: [number, number], grid?: Grid, still?: boolean,
 * }} Attributes
 *   tint: the colour that its class leaves open; a path goes along d or a course; anchor: which part of a text is
 *   at (x, y); turned: whether it reads upwards; at: where the children of a group begin; still: whether they are
 *   mostly the same when the picture is drawn anew
 */
/**
 * @typedef {{xs: ArrayLike<number>, ys: ArrayLike<number>, skips?: (i: number) => boolean}} Course
 *   through points, broken where a y is NaN, without those that are skipped
 */
/**
 * @typedef {{xs: ArrayLike<number>, ys: ArrayLike<number>, shades: Uint8Array, colours: Tint[], smooth: boolean}} Grid
 *   of cells: edges of its columns and, from the bottom up, of its rows; the shade of each cell, row by row, which
 *   is a place among colours or NO_SHADE; whether neighbours run into each other
 */
/** @typedef {{tag: "svg" | "g" | "rect" | "path" | "text" | "image", attributes: Attributes, children: Drawing[],
 *   text: string}} Drawing */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Box */
/** @typedef {{names?: string[], values?: ArrayLike<number>, span?: Ends, count?: number, whole?: boolean,
 *   label: string}} Places of an x axis: names, one beside the other, or rising values, or so many equal parts of a
 *   span; whole: whether it ends where its values do */
/** @typedef {{x?: Ends, y?: Ends, left: number}} Extent of axes */
/**
 * @typedef {{root: Drawing, plot: Drawing, X: (share: number) => number, Y: (share: number) => number, box: Box,
 *   places: ReturnType<typeof placeScale>, height: number, width: number, extent: Extent}} Frame
 */
/**
 * @typedef {Frame & {kinds: Record<string, number>, scale: Scale, place: (share: number) => number,
 *   row: (share: number) => number, middle: (place: number) => number}} Drawn
 *   kinds: how many of each of KINDS; place, row: the nearest to a share of the width or height
 */

const GAP = 8;
const LINE = 14; // height of a line of text
const NO_SHADE = 255;
/** @type {Record<string, {sign: string, name: string}>} */
const KINDS = {
  zero: { sign: "▼", name: "0, on the lower edge" },
  below: { sign: "▼", name: "0 or less, on the lower edge" },
  minus: { sign: "▼", name: "−infinite, on the lower edge" },
  plus: { sign: "▲", name: "infinite, on the upper edge" },
  huge: { sign: "▲", name: "beyond 1e300, on the upper edge" },
  nan: { sign: "", name: "NaN, hatched" },
};
/** @type {((x: number, y: number, r: number) => string)[]} */
const MARKERS = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x} ${y - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z`,
  (x, y, r) => `M${x - 1.3 * r} ${y}h${2.6 * r}M${x} ${y - 1.3 * r}v${2.6 * r}`,
];

/**
 * A part of a drawing.
 * @param {Drawing["tag"]} tag
 * @param {Attributes} attributes
 * @param {...Drawing} children
 * @returns {Drawing}
 */
function node(tag, attributes = {}, ...children) {
  return { tag, attributes, children, text: "" };
}

/**
 * A text.
 * @param {string} text
 * @param {Attributes} attributes
 * @returns {Drawing}
 */
function words(text, attributes) {
  const name = attributes.class ? `text ${attributes.class}` : "text";
  return { tag: "text", attributes: { ...attributes, class: name }, children: [], text };
}

const measuring = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
/** @type {Map<string, number>} */
const widths = new Map();

/**
 * How wide a text is drawn.
 * @param {string} text
 * @param {string} style class of it
 */
function widthOf(text, style = "text") {
  const key = `${style} ${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > 5000) widths.clear();
    measuring.font = /** @type {string} */ (styleOf(style).font);
    width = measuring.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}

const round = (/** @type {number} */ value) => Math.round(value * 10) / 10;

/**
 * How many places an axis has.
 * @param {Places} x
 */
function countOf({ names, values, count }) {
  return names?.length ?? values?.length ?? count ?? 0;
}

/**
 * The scale of places from 0 to 1, with ticks: where there are only a few pixels for each, some are left out,
 * never letters.
 * @param {Places} x
 * @param {number} width
 * @param {{steady?: boolean, last?: Ends}} options as valueScale has them
 */
function placeScale({ names, values, span, count, whole }, width, { steady, last } = {}) {
  if (names) return namedPlaces(names, width);
  if (span) {
    const share = (/** @type {number} */ value) => (value - span.low) / (span.high - span.low);
    const ticks = linearTicks(span.low, span.high, Math.max(2, Math.floor(width / 60)));
    return {
      ...{
        at: (/** @type {number} */ i) => (i + 0.5) / (count ?? 1),
        slanted: false,
        longest: 0,
        range: span,
      },
      ...{
        ticks: ticks.map((value) => ({ at: share(value), text: number(value) })),
        half: 0.5 / (count ?? 1),
      },
    };
  }
  return numberedPlaces(/** @type {ArrayLike<number>} */ (values), width, steady && !whole, last);
}

/**
 * @param {string[]} names
 * @param {number} width
 */
function namedPlaces(names, width) {
  const count = Math.max(names.length, 1);
  const at = (/** @type {number} */ i) => (i + 0.5) / count;
  const longest = Math.max(0, ...names.map((name) => widthOf(name)));
  const room = width / count;
  const slanted = longest + 10 > room;
  const stride = slanted ? Math.max(1, Math.ceil((LINE + 2) / room)) : 1;
  const last = names.length - 1;
  const ticks = names
    .map((text, i) => ({ at: at(i), text }))
    .filter((_, i) => i === last || (i % stride === 0 && last - i >= stride) || i === 0);
  return { at, ticks, slanted, longest, half: 0.5 / count, range: undefined };
}

/**
 * @param {ArrayLike<number>} values
 * @param {number} width
 * @param {boolean} [steady]
 * @param {Ends} [last]
 */
function numberedPlaces(values, width, steady, last) {
  const count = values.length;
  const low = values[0] ?? 0;
  let high = low + Math.max((values[count - 1] ?? 0) - low, 1e-9);
  if (steady && last && last.low === low) {
    const before = last.high - low;
    if (high - low > before)
      high = low + 1.2 * (high - low); // it grows
    else if (high - low > 0.5 * before) high = last.high;
  }
  const share = (/** @type {number} */ value) =>
    count > 1 ? 0.01 + (0.98 * (value - low)) / (high - low) : 0.5;
  const whole = linearTicks(low, high, Math.max(2, Math.floor(width / 70)));
  const told = count > 1 ? whole.filter(Number.isInteger) : Array.from(values);
  const ticks = told.map((value) => ({ at: share(value), text: value.toLocaleString("en") }));
  const half = count > 1 ? 0.49 / (count - 1) : 0.5;
  const at = (/** @type {number} */ i) => share(values[i]);
  return { at, ticks, slanted: false, longest: 0, half, range: { low, high } };
}

/**
 * Go along a course. A point by itself is a dot, a tenth of a pixel long.
 * @param {Course} course
 * @param {(x: number, y: number) => void} move
 * @param {(x: number, y: number) => void} draw
 */
function follow({ xs, ys, skips }, move, draw) {
  let last = 0;
  let open = 0; // points of the piece that is being drawn
  const close = () => {
    if (open === 1) draw(round(xs[last] + 0.1), ys[last]);
    open = 0;
  };
  for (let i = 0; i < xs.length; i++) {
    if (skips?.(i)) continue;
    if (Number.isNaN(ys[i])) close();
    else {
      (open ? draw : move)(xs[i], ys[i]);
      [open, last] = [open + 1, i];
    }
  }
  close();
}

/**
 * The frame of a picture: axes, ticks, labels. X and Y take shares of the axes.
 * @param {{width: number, height: number, x: Places, y: {ticks: Tick[], label: string}, bare?: boolean,
 *   steady?: boolean, last?: Extent}} spec bare: without a grid
 * @returns {Frame}
 */
function frame({ width, height, x, y, bare = false, steady, last }) {
  const widest = Math.max(20, ...y.ticks.map((tick) => widthOf(tick.text)));
  const left = Math.max(Math.ceil(widest) + 2 * GAP + LINE, steady ? (last?.left ?? 0) : 0);
  const right = 2 * GAP;
  const places = placeScale(x, width - left - right, { steady, last: last?.x });
  const bottom = 2 * GAP + LINE + (places.slanted ? Math.ceil(places.longest) : LINE);
  const box = { left, top: GAP, right: width - right, bottom: height - 2 * LINE };
  const X = (/** @type {number} */ share) => round(box.left + share * (box.right - box.left));
  const Y = (/** @type {number} */ share) => round(box.bottom - share * (box.bottom - box.top));
  const plot = node("g");
  const size = { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top };
  const grid = bare ? "" : y.ticks.map((tick) => `M${box.left} ${Y(tick.at)}H${box.right}`).join("");
  const beside = y.ticks.map((tick) =>
    words(tick.text, { x: box.left - GAP, y: Y(tick.at) + 4, anchor: "end" }),
  );
  const below = places.ticks.map((tick) =>
    places.slanted
      ? words(tick.text, { x: X(tick.at) + 4, y: box.bottom + GAP, turned: true, anchor: "end" })
      : words(tick.text, { x: X(tick.at), y: box.bottom + LINE + 4, anchor: "middle" }),
  );
  const [middle, centre] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  const whole = { width, height: box.bottom + bottom };
  const marks = places.ticks.map((tick) => `M${X(tick.at)} ${box.bottom}v4`).join("");
  const root = node(
    "svg",
    whole,
    node("rect", { ...size, class: "ground" }),
    node("path", { d: grid, class: "grid" }),
    plot,
    ...beside,
    ...below,
    words(x.label, { x: middle, y: whole.height - 4, anchor: "middle", class: "label" }),
    words(y.label, { x: LINE - 2, y: centre, turned: true, anchor: "middle", class: "label" }),
    node("path", { d: `M${box.left} ${box.top}V${box.bottom}H${box.right}${marks}`, class: "axis" }),
  );
  return { root, plot, X, Y, box, places, ...whole, extent: { left, x: places.range } };
}

/**
 * Of what kind a value is that an axis cannot show; undefined where it can.
 * @param {number} value
 * @param {boolean | undefined} log
 */
function kindOf(value, log) {
  if (Number.isNaN(value)) return "nan";
  if (value === Infinity) return "plus";
  if (log) return value === 0 ? "zero" : value < 0 ? "below" : undefined;
  if (value === -Infinity) return "minus";
  return Math.abs(value) > LARGEST ? "huge" : undefined;
}

/**
 * A mark of a kind on the edge of the plot, of the line of a number.
 * @param {string} kind
 * @param {number} x
 * @param {Box} box
 * @param {number} number
 * @param {Tint} tint
 */
function edgeMark(kind, x, box, number, tint) {
  const up = KINDS[kind].sign === "▲";
  const y = up ? box.top + 6 + 2 * (number % 4) : box.bottom - 6 - 2 * (number % 4);
  const d = up ? `M${x - 4} ${y + 3}h8l-4 -7z` : `M${x - 4} ${y - 3}h8l-4 7z`;
  return node("path", { d, tint, class: `mark ${kind}` });
}

/**
 * What an empty frame says.
 * @param {Frame} frame
 */
function nothing({ plot, box }) {
  const middle = { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  plot.children.push(words("nothing recorded", { ...middle, anchor: "middle" }));
}

/**
 * The place that is nearest to a share of the width.
 * @param {{at: (i: number) => number}} places
 * @param {number} count
 * @param {number} share
 */
function nearest(places, count, share) {
  let found = 0;
  for (let i = 1; i < count; i++) {
    if (Math.abs(places.at(i) - share) < Math.abs(places.at(found) - share)) found = i;
  }
  return found;
}
