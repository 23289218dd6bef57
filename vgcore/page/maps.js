// Grids of cells: heatmaps, and planes with points over them. Needs draw.js.

/**
 * @typedef {Axes & {rows: string[], value: (row: number, column: number) => number,
 *   absent?: (row: number, column: number) => boolean, diverging?: boolean}} Heat
 *   diverging: whether colours go both ways from 0, which is the ground
 */
/**
 * @typedef {{size: [number, number], x: Ends, y: Ends, labels: [string, string], classes?: number,
 *   value: (row: number, column: number) => number, points?: ArrayLike<number>, pointClasses?: ArrayLike<number>,
 *   width: number, height: number}} Plane
 *   value: the class of a cell, or the share of class 1 where no number of classes is given
 */

/**
 * A heatmap: rows from the bottom up, columns over the places of x.
 * @param {Heat} spec
 * @returns {Drawn}
 */
function drawHeat(spec) {
  const columns = countOf(spec.x);
  const count = spec.rows.length;
  const values = new Float64Array(count * columns);
  const absent = new Uint8Array(count * columns);
  for (let r = 0, i = 0; r < count; r++) {
    for (let c = 0; c < columns; c++, i++) {
      absent[i] = Number(spec.absent?.(r, c) ?? 0);
      values[i] = absent[i] ? NaN : spec.value(r, c);
    }
  }
  const scale = valueScale([values], { ...spec, even: spec.diverging, last: spec.last?.y });
  const rows = rowTicks(spec.rows, spec.height);
  const made = frame({ ...spec, y: { ticks: rows, label: spec.label }, bare: true });
  const { plot, X, places } = made;
  const shades = new Uint8Array(values.length).fill(NO_SHADE);
  /** @type {Record<string, Uint8Array>} */
  const odd = {};
  /** @type {Record<string, number>} */
  const kinds = {};
  values.forEach((value, i) => {
    if (absent[i]) return;
    const kind = kindOf(value, spec.log);
    if (kind === undefined) shades[i] = Math.round(scale.at(value) * SHADES);
    else {
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      odd[kind] ??= new Uint8Array(values.length);
      odd[kind][i] = 1;
    }
  });
  const xs = Array.from({ length: columns + 1 }, (_, c) =>
    c === 0 ? X(0) : c === columns ? X(1) : X((places.at(c - 1) + places.at(c)) / 2),
  );
  const ys = edges(count, made.Y);
  const colours = spec.diverging ? DIVERGING : WARMTH;
  plot.children.push(node("image", { grid: { xs, ys, shades, colours, smooth: false } }));
  for (const [kind, held] of Object.entries(odd)) {
    plot.children.push(node("path", { d: cellPaths(xs, ys, held)[1], class: `cell ${kind}` }));
  }
  if (scale.empty && !Object.keys(kinds).length) nothing(made);
  return {
    ...made,
    ...{ kinds, scale, extent: { ...made.extent, y: scale.range } },
    place: (share) => nearest(places, columns, share),
    row: (share) => Math.min(Math.max(Math.floor(share * count), 0), count - 1),
    middle: (i) => X(places.at(i)),
  };
}

/**
 * Names of rows, from the bottom up, as many as there is room for; neighbours of one name are named once.
 * @param {string[]} names
 * @param {number} height
 * @returns {Tick[]}
 */
function rowTicks(names, height) {
  const firsts = names.flatMap((name, r) => (name === names[r - 1] ? [] : [r]));
  const last = firsts.length - 1;
  const stride = Math.max(1, Math.ceil((firsts.length * LINE) / height));
  return firsts
    .map((r, n) => ({ text: names[r], at: (r + (firsts[n + 1] ?? names.length)) / 2 / names.length }))
    .filter((_, n) => n === last || n === 0 || (n % stride === 0 && last - n >= stride));
}

/**
 * The edges of so many equal parts.
 * @param {number} count
 * @param {(share: number) => number} at
 */
function edges(count, at) {
  return Array.from({ length: count + 1 }, (_, i) => at(i / Math.max(count, 1)));
}

/**
 * Paths around the cells of a grid, by what they hold; neighbours in a row that hold the same are one.
 * @param {ArrayLike<number>} xs edges of columns
 * @param {ArrayLike<number>} ys edges of rows
 * @param {Uint8Array} held
 */
function cellPaths(xs, ys, held) {
  const columns = xs.length - 1;
  /** @type {string[]} */
  const paths = [];
  for (let r = 0; r < ys.length - 1; r++) {
    for (let c = 0, end; c < columns; c = end) {
      const key = held[r * columns + c];
      for (end = c + 1; end < columns && held[r * columns + end] === key;) end++;
      paths[key] = `${paths[key] ?? ""}M${xs[c]} ${ys[r + 1]}H${xs[end]}V${ys[r]}H${xs[c]}z`;
    }
  }
  return paths;
}

const GROUND = /** @type {const} */ (["#ffffff", "#16161a"]);

/**
 * A class's colour, mixed with so much of the ground.
 * @param {number} which
 * @param {number} share of the colour
 * @returns {Tint}
 */
function washed(which, share) {
  const mixed = HUES[which % HUES.length].map((hue, i) => between([GROUND[i], hue].map(channels), share));
  return [mixed[0], mixed[1]];
}

const MOST_WASHED = 0.45; // so that points stand out from a region of their own class
/** Of the share of class 1: from class 0's colour through the ground to class 1's. */
const CERTAINTY = shaded((share) => washed(share < 0.5 ? 0 : 1, MOST_WASHED * Math.abs(2 * share - 1)));
/** Of what is below 0 and above: through the ground, which is 0. */
const DIVERGING = shaded((share) => washed(share < 0.5 ? 0 : 1, Math.abs(2 * share - 1)));
const REGIONS = HUES.map((_, i) => washed(i, MOST_WASHED));

/**
 * A plane: what a network says of each place in it, and points over it.
 * @param {Plane} spec
 * @returns {Drawn}
 */
function drawPlane(spec) {
  const [count, columns] = spec.size;
  const { low, high } = spec.y;
  const share = (/** @type {number} */ value) => (value - low) / (high - low);
  const ticks = linearTicks(low, high, MOST_TICKS).map((value) => ({
    at: share(value),
    text: number(value),
  }));
  const x = { span: spec.x, count: columns, label: spec.labels[0] };
  const made = frame({ ...spec, x, y: { ticks, label: spec.labels[1] }, bare: true });
  const { plot, X, Y, places } = made;
  const shades = new Uint8Array(count * columns).fill(NO_SHADE);
  const gone = new Uint8Array(shades.length);
  /** @type {Record<string, number>} */
  const kinds = {};
  for (let r = 0, i = 0; r < count; r++) {
    for (let c = 0; c < columns; c++, i++) {
      const value = spec.value(r, c);
      if (Number.isNaN(value)) {
        gone[i] = 1;
        kinds.nan = (kinds.nan ?? 0) + 1;
      } else
        shades[i] = spec.classes
          ? value % REGIONS.length
          : Math.round(Math.min(Math.max(value, 0), 1) * SHADES);
    }
  }
  const grid = { xs: edges(columns, X), ys: edges(count, Y), shades };
  const colours = spec.classes ? REGIONS : CERTAINTY;
  plot.children.push(node("image", { grid: { ...grid, colours, smooth: !spec.classes && !kinds.nan } }));
  if (kinds.nan)
    plot.children.push(node("path", { d: cellPaths(grid.xs, grid.ys, gone)[1], class: "cell nan" }));
  plot.children.push(node("g", { still: true }, ...pointPaths(spec, made)));
  return {
    ...made,
    kinds,
    scale: valueScale([], { share: true }),
    place: (at) => nearest(places, columns, at),
    row: (at) => Math.min(Math.max(Math.floor(at * count), 0), count - 1),
    middle: (i) => X(places.at(i)),
  };
}

/**
 * Points of a plane, those of a class as one path; what lies outside is left out.
 * @param {Plane} spec
 * @param {Frame} made
 */
function pointPaths({ points = [], pointClasses = [], x, y }, { X, Y }) {
  /** @type {string[]} */
  const paths = [];
  for (let i = 0; 2 * i < points.length; i++) {
    const across = (points[2 * i] - x.low) / (x.high - x.low);
    const up = (points[2 * i + 1] - y.low) / (y.high - y.low);
    if (!(across >= 0 && across <= 1 && up >= 0 && up <= 1)) continue;
    const which = pointClasses[i] ?? 0;
    paths[which] = (paths[which] ?? "") + MARKERS[which % MARKERS.length](X(across), Y(up), 2.6);
  }
  const all = Array.from(paths, (d = "") => d); // there are classes without points
  return all.map((d, which) => node("path", { d, tint: HUES[which % HUES.length], class: "point" }));
}
