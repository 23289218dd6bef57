// Lines over places, with bands and marks. Needs draw.js.

/**
 * @typedef {{name: string, look: Look, values: ArrayLike<number> & Iterable<number>,
 *   low?: ArrayLike<number> & Iterable<number>, high?: ArrayLike<number> & Iterable<number>,
 *   kinds?: (i: number) => Iterable<string>, strong?: boolean, absent?: (i: number) => boolean,
 *   skips?: (i: number) => boolean}} Line
 *   kinds: those of KINDS that a group of values has, where values are of groups; absent: whether there is no
 *   value; skips: whether it has no such place
 */
/**
 * @typedef {{width: number, height: number, x: Places, label: string, log?: boolean, share?: boolean,
 *   steady?: boolean, last?: Extent}} Axes
 */

/**
 * Lines over places.
 * @param {Axes & {guide?: number, lines: Line[]}} spec
 * @returns {Drawn}
 */
function drawLines(spec) {
  const shown = spec.lines.flatMap((line) => [line.values, line.low ?? [], line.high ?? []]);
  const also = spec.guide ? [spec.guide] : [];
  const scale = valueScale(shown, { ...spec, also, last: spec.last?.y });
  const made = frame({ ...spec, y: { ticks: scale.ticks, label: spec.label } });
  const { X, Y, box, places } = made;
  const plot = made.plot.children;
  const count = countOf(spec.x);
  const xs = Array.from({ length: count }, (_, i) => X(places.at(i)));
  const many = spec.lines.length > MOST_TOLD;
  const marked = !many && count <= 60 && (box.right - box.left) / count >= MOST_CROWDED;
  /** @type {Record<string, number>} */
  const kinds = {};
  /** @type {Set<number>} */
  const gone = new Set();
  if (spec.guide && !Number.isNaN(scale.at(spec.guide))) {
    plot.push(node("path", { d: `M${box.left} ${Y(scale.at(spec.guide))}H${box.right}`, class: "guide" }));
  }
  spec.lines.forEach((line, number) => {
    const { colour: tint, dash, marker, weight } = line.look;
    const degree = line.strong ? " strong" : many ? " many" : "";
    const ys = Array.from(line.values, (value) => Y(scale.at(value)));
    if (line.low) {
      plot.push(node("path", { d: band(line, scale, xs, Y), tint, class: `band${degree}` }));
    }
    const name = weight && !line.strong ? ` ${weight}` : degree;
    const course = { xs, ys, skips: line.skips };
    plot.push(node("path", { course, tint, dash, class: `line${name}` }));
    if (marked && marker !== null) {
      const shape = MARKERS[marker % MARKERS.length];
      const d = xs.map((x, i) => (line.skips?.(i) || Number.isNaN(ys[i]) ? "" : shape(x, ys[i], 3)));
      plot.push(node("path", { d: d.join(""), tint, class: "marker" }));
    }
    /** @type {Record<string, number>} */
    const before = {};
    for (let i = 0; i < count; i++) {
      for (const kind of kindsAt(line, i, spec.log)) {
        kinds[kind] = (kinds[kind] ?? 0) + 1;
        if (kind === "nan") gone.add(i);
        else if (!(xs[i] - before[kind] < 3)) {
          before[kind] = xs[i];
          plot.push(edgeMark(kind, xs[i], box, number, tint));
        }
      }
    }
  });
  for (const [from, to] of runs(gone)) {
    const begin = X(Math.max(places.at(from) - places.half, 0));
    const end = X(Math.min(places.at(to) + places.half, 1));
    const size = { x: begin, y: box.top, width: Math.max(end - begin, 2), height: box.bottom - box.top };
    plot.unshift(node("rect", { ...size, class: "hatched" }));
  }
  if (scale.empty && !Object.keys(kinds).length) nothing(made);
  return {
    ...made,
    ...{ kinds, scale, extent: { ...made.extent, y: scale.range } },
    place: (share) => nearest(places, count, share),
    row: () => NaN,
    middle: (i) => X(places.at(i)),
  };
}

const MOST_CROWDED = 5; // pixels from one marker to the next
/** @type {string[]} */
const NO_KINDS = [];

/**
 * Those of KINDS that a line has at a place.
 * @param {Line} line
 * @param {number} i
 * @param {boolean | undefined} log
 * @returns {Iterable<string>}
 */
function kindsAt(line, i, log) {
  const own = kindOf(line.values[i], log);
  const below = log && line.low && line.low[i] < 0;
  if (own === undefined && !line.kinds && !below) return NO_KINDS;
  if (line.skips?.(i) || line.absent?.(i)) return NO_KINDS;
  const found = new Set(line.kinds?.(i));
  if (own !== undefined && (own !== "nan" || !line.kinds)) found.add(own);
  if (below) found.add("below");
  if (!log) found.delete("zero");
  return found;
}

/**
 * The room between a line's least and largest values; what lies below the axis reaches its edge.
 * @param {Line} line
 * @param {Scale} scale
 * @param {number[]} xs
 * @param {(share: number) => number} Y
 */
function band({ low = [], high = [], skips }, scale, xs, Y) {
  let d = "";
  /** @type {string[]} */
  let upper = [];
  /** @type {string[]} */
  let lower = [];
  const close = () => {
    if (upper.length) d += `M${[...upper, ...lower.reverse()].join("L")}Z`;
    [upper, lower] = [[], []];
  };
  for (let i = 0; i < xs.length; i++) {
    if (skips?.(i)) continue;
    const top = scale.at(high[i]);
    if (Number.isNaN(top)) {
      close();
      continue;
    }
    const bottom = scale.at(low[i]);
    upper.push(`${xs[i]} ${Y(top)}`);
    lower.push(`${xs[i]} ${Y(Number.isNaN(bottom) ? 0 : bottom)}`);
  }
  close();
  return d;
}

/**
 * [first, last] of each run of neighbours in a set of integers that was filled in any order.
 * @param {Set<number>} places
 */
function runs(places) {
  /** @type {[number, number][]} */
  const found = [];
  for (const place of [...places].sort((a, b) => a - b)) {
    const last = found[found.length - 1];
    if (last && place === last[1] + 1) last[1] = place;
    else found.push([place, place]);
  }
  return found;
}
