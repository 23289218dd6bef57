// Pictures as SVG: axes, lines with bands, marks of what an axis cannot show, heatmaps. They know nothing of
// records, nor of what surrounds them on the page. Needs scale.js.

const SVG = "http://www.w3.org/2000/svg";
const GAP = 8;
const LINE = 14; // height of a line of text
const KINDS = {
  zero: { sign: "▼", name: "0, on the lower edge" },
  below: { sign: "▼", name: "0 or less, on the lower edge" },
  minus: { sign: "▼", name: "−infinite, on the lower edge" },
  plus: { sign: "▲", name: "infinite, on the upper edge" },
  huge: { sign: "▲", name: "beyond 1e300, on the upper edge" },
  nan: { sign: "", name: "NaN, hatched" },
};
const MARKERS = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x} ${y - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z`,
  (x, y, r) => `M${x - 1.3 * r} ${y}h${2.6 * r}M${x} ${y - 1.3 * r}v${2.6 * r}`,
];

/** An SVG element with attributes and children; text where a child is a string. */
function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== "") made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const canvas = document.createElement("canvas").getContext("2d");

/** How wide a text is drawn. */
function widthOf(text) {
  canvas.font = "12px system-ui, sans-serif";
  return canvas.measureText(text).width;
}

/** A stroke or fill that follows the page's light or dark colours. */
function tinted([light, dark]) {
  return `--light:${light};--dark:${dark}`;
}

const round = (value) => Math.round(value * 10) / 10;

/**
 * The places of an x axis: `names`, one beside the other, or `values`, rising numbers.
 * Where there are only a few pixels for each, some ticks are left out, never letters.
 */
function placeScale({ names, values }, width) {
  const count = (names ?? values).length;
  if (names) {
    const at = (i) => (i + 0.5) / Math.max(count, 1);
    const longest = Math.max(0, ...names.map(widthOf));
    const room = width / Math.max(count, 1);
    const slanted = longest + 10 > room;
    const stride = slanted ? Math.max(1, Math.ceil((LINE + 2) / room)) : 1;
    const last = count - 1;
    const ticks = names
      .map((text, i) => ({ at: at(i), text }))
      .filter((_, i) => i === last || (i % stride === 0 && last - i >= stride) || i === 0);
    return { at, ticks, slanted, longest, half: 0.5 / Math.max(count, 1) };
  }
  const low = values[0] ?? 0;
  const span = Math.max((values[count - 1] ?? 0) - low, 1e-9);
  const at = (i) => (count > 1 ? 0.01 + (0.98 * (values[i] - low)) / span : 0.5);
  const whole = linearTicks(low, low + span, Math.max(2, Math.floor(width / 70)));
  const ticks = (count > 1 ? whole.filter(Number.isInteger) : values.slice(0, 1)).map((value) => ({
    at: count > 1 ? 0.01 + (0.98 * (value - low)) / span : 0.5,
    text: value.toLocaleString("en"),
  }));
  return { at, ticks, slanted: false, longest: 0, half: count > 1 ? 0.49 / (count - 1) : 0.5 };
}

/** The frame of a picture: axes, ticks, labels; {root, plot, X, Y, box}. X and Y take shares of the axes. */
function frame({ width, height, x, y, title, rows }) {
  const labels = rows ?? y.ticks;
  const left = Math.ceil(Math.max(20, ...labels.map((tick) => widthOf(tick.text)))) + 2 * GAP + LINE;
  const right = 2 * GAP;
  const places = placeScale(x, width - left - right);
  const bottom = 2 * GAP + LINE + (places.slanted ? Math.ceil(places.longest) : LINE);
  const box = { left, top: GAP, right: width - right, bottom: height - 2 * LINE };
  const root = svg("svg", { viewBox: `0 0 ${width} ${box.bottom + bottom}`, width, class: "picture" });
  const X = (share) => round(box.left + share * (box.right - box.left));
  const Y = (share) => round(box.bottom - share * (box.bottom - box.top));
  const grid = labels.map((tick) => `M${box.left} ${Y(tick.at)}H${box.right}`).join("");
  root.append(
    svg("rect", {
      ...{ x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top },
      class: "ground",
    }),
    svg("path", { d: rows ? "" : grid, class: "grid" }),
  );
  const plot = svg("g");
  root.append(plot);
  for (const tick of labels) {
    root.append(svg("text", { x: box.left - GAP, y: Y(tick.at) + 4, "text-anchor": "end" }, tick.text));
  }
  for (const tick of places.ticks) {
    const at = X(tick.at);
    root.append(svg("path", { d: `M${at} ${box.bottom}v4`, class: "axis" }));
    root.append(
      places.slanted
        ? svg(
            "text",
            {
              transform: `translate(${at + 4} ${box.bottom + GAP}) rotate(-90)`,
              "text-anchor": "end",
            },
            tick.text,
          )
        : svg("text", { x: at, y: box.bottom + LINE + 4, "text-anchor": "middle" }, tick.text),
    );
  }
  const middle = (box.left + box.right) / 2;
  const label = { x: middle, y: box.bottom + bottom - 4, "text-anchor": "middle", class: "label" };
  root.append(svg("text", label, x.label));
  const turned = `translate(${LINE - 2} ${(box.top + box.bottom) / 2}) rotate(-90)`;
  root.append(svg("text", { transform: turned, "text-anchor": "middle", class: "label" }, y.label));
  root.append(svg("path", { d: `M${box.left} ${box.top}V${box.bottom}H${box.right}`, class: "axis" }));
  root.setAttribute("aria-label", title);
  return { root, plot, X, Y, box, places };
}

/** Of what kind a value is that an axis cannot show; undefined where it can. */
function kindOf(value, log) {
  if (Number.isNaN(value)) return "nan";
  if (value === Infinity) return "plus";
  if (log) return value === 0 ? "zero" : value < 0 ? "below" : undefined;
  if (value === -Infinity) return "minus";
  return Math.abs(value) > LARGEST ? "huge" : undefined;
}

/**
 * Lines over places.
 * @param spec {width, height, title, x: {names | values, label}, label, log, share, guide,
 *   lines: [{name, look, values, low?, high?, kinds?: i => iterable of KINDS, strong?,
 *     absent?: i => whether there is no value, skips?: i => whether it has no such place}]}
 * @returns {root, place(fraction of the width) → i, X(i), Y(value), kinds: {kind: places}}
 */
function drawLines(spec) {
  const shown = function* () {
    for (const line of spec.lines) {
      yield* line.values;
      if (line.low) yield* line.low;
      if (line.high) yield* line.high;
    }
  };
  const also = spec.guide ? [spec.guide] : [];
  const scale = valueScale(shown(), { log: spec.log, share: spec.share, also });
  const made = frame({ ...spec, y: { ticks: scale.ticks, label: spec.label } });
  const { plot, X, Y, box, places } = made;
  const kinds = {};
  const count = (spec.x.names ?? spec.x.values).length;
  const gone = new Set();
  if (spec.guide && !Number.isNaN(scale.at(spec.guide))) {
    const d = `M${box.left} ${Y(scale.at(spec.guide))}H${box.right}`;
    plot.append(svg("path", { d, class: "guide" }));
  }
  spec.lines.forEach((line, number) => {
    const style = tinted(line.look.colour);
    const strong = line.strong ? " strong" : spec.lines.length > MOST_TOLD ? " many" : "";
    const points = Array.from(line.values, (value, i) =>
      line.skips?.(i) ? null : [X(places.at(i)), Y(scale.at(value))],
    );
    if (line.low) {
      plot.append(
        svg("path", { d: band(line, scale, (i) => X(places.at(i)), Y), style, class: `band${strong}` }),
      );
    }
    plot.append(
      svg("path", { d: course(points), style, class: `line${strong}`, "stroke-dasharray": line.look.dash }),
    );
    if (count <= 60 && spec.lines.length <= MOST_TOLD) {
      const shape = MARKERS[line.look.marker % MARKERS.length];
      const d = points.filter((point) => point && !Number.isNaN(point[1])).map(([x, y]) => shape(x, y, 3));
      plot.append(svg("path", { d: d.join(""), style, class: "marker" }));
    }
    let before = {};
    for (let i = 0; i < count; i++) {
      if (!points[i] || line.absent?.(i)) continue;
      const found = new Set(line.kinds?.(i) ?? []);
      const own = kindOf(line.values[i], spec.log);
      if (own !== "nan" || !line.kinds) found.add(own);
      if (spec.log && line.low?.[i] < 0) found.add("below");
      for (const kind of found) {
        if (!KINDS[kind] || (kind === "zero" && !spec.log)) continue;
        kinds[kind] = (kinds[kind] ?? 0) + 1;
        if (kind === "nan") gone.add(i);
        else if (!(points[i][0] - before[kind] < 3)) {
          before[kind] = points[i][0];
          plot.append(edgeMark(kind, points[i][0], box, number, style));
        }
      }
    }
  });
  for (const [from, to] of runs(gone)) {
    const begin = X(Math.max(places.at(from) - places.half, 0));
    const end = X(Math.min(places.at(to) + places.half, 1));
    const size = { x: begin, y: box.top, width: Math.max(end - begin, 2), height: box.bottom - box.top };
    plot.prepend(svg("rect", { ...size, class: "hatched" }));
  }
  if (scale.empty && !Object.keys(kinds).length) nothing(made);
  return {
    ...made,
    kinds,
    scale,
    place: (share) => nearest(places, count, share),
    middle: (i) => X(places.at(i)),
  };
}

function edgeMark(kind, x, box, number, style) {
  const up = KINDS[kind].sign === "▲";
  const y = up ? box.top + 6 + 2 * (number % 4) : box.bottom - 6 - 2 * (number % 4);
  const d = up ? `M${x - 4} ${y + 3}h8l-4 -7z` : `M${x - 4} ${y - 3}h8l-4 7z`;
  return svg("path", { d, style, class: `mark ${kind}` });
}

/** What an empty frame says. */
function nothing({ plot, box }) {
  const middle = { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  plot.append(svg("text", { ...middle, "text-anchor": "middle" }, "nothing recorded"));
}

/** A path through points, broken where one is NaN, without those that are null; one by itself is a dot. */
function course(all) {
  let d = "";
  let open = false;
  const points = all.filter(Boolean);
  points.forEach(([x, y], i) => {
    if (Number.isNaN(y)) {
      open = false;
      return;
    }
    const alone = !open && !(points[i + 1]?.[1] >= -Infinity);
    d += `${open ? "L" : "M"}${x} ${y}${alone ? "h.1" : ""}`;
    open = true;
  });
  return d;
}

/** The room between a line's least and largest values; what lies below the axis reaches its edge. */
function band({ low, high, skips }, scale, X, Y) {
  let d = "";
  let upper = [];
  let lower = [];
  const close = () => {
    if (upper.length) d += `M${[...upper, ...lower.reverse()].join("L")}Z`;
    [upper, lower] = [[], []];
  };
  high.forEach((value, i) => {
    if (skips?.(i)) return;
    const top = scale.at(value);
    if (Number.isNaN(top)) {
      close();
      return;
    }
    const bottom = scale.at(low[i]);
    upper.push(`${X(i)} ${Y(top)}`);
    lower.push(`${X(i)} ${Y(Number.isNaN(bottom) ? 0 : bottom)}`);
  });
  close();
  return d;
}

/** [first, last] of each run of neighbours in a set of integers that was filled in any order. */
function runs(places) {
  const found = [];
  for (const place of [...places].sort((a, b) => a - b)) {
    const last = found[found.length - 1];
    if (last && place === last[1] + 1) last[1] = place;
    else found.push([place, place]);
  }
  return found;
}

function nearest(places, count, share) {
  let found = 0;
  for (let i = 1; i < count; i++) {
    if (Math.abs(places.at(i) - share) < Math.abs(places.at(found) - share)) found = i;
  }
  return found;
}

/**
 * A heatmap: rows from the bottom up, columns over the places of x.
 * @param spec {width, height, title, x: {names | values, label}, rows: [names], label, log, share,
 *   value: (row, column) → number, absent?: (row, column) → bool}
 * @returns {root, kinds, scale, place(share) → column, row(share) → row, middle(column)}
 */
function drawHeat(spec) {
  const columns = (spec.x.names ?? spec.x.values).length;
  const count = spec.rows.length;
  const values = [];
  for (let r = 0; r < count; r++)
    for (let c = 0; c < columns; c++) values.push(spec.absent?.(r, c) ? NaN : spec.value(r, c));
  const scale = valueScale(values, { log: spec.log, share: spec.share });
  const stride = Math.max(1, Math.ceil((count * LINE) / spec.height));
  const rows = spec.rows
    .map((text, r) => ({ text, at: (r + 0.5) / Math.max(count, 1) }))
    .filter((_, r) => r === count - 1 || r === 0 || (r % stride === 0 && count - 1 - r >= stride));
  const made = frame({ ...spec, y: { label: spec.label }, rows });
  const { plot, X, Y, places } = made;
  const kinds = {};
  const paths = {};
  const edge = (c) => {
    if (c <= 0) return X(0);
    return c >= columns ? X(1) : X((places.at(c - 1) + places.at(c)) / 2);
  };
  for (let r = 0; r < count; r++) {
    const [top, bottom] = [Y((r + 1) / count), Y(r / count)];
    for (let c = 0, end; c < columns; c = end) {
      const key = cell(spec, scale, values, r, c, columns);
      for (end = c + 1; end < columns && cell(spec, scale, values, r, end, columns) === key;) end++;
      if (key === "") continue;
      if (KINDS[key]) kinds[key] = (kinds[key] ?? 0) + end - c;
      const d = `M${edge(c)} ${top}H${edge(end)}V${bottom}H${edge(c)}z`;
      paths[key] = (paths[key] ?? "") + d;
    }
  }
  for (const [key, d] of Object.entries(paths)) {
    if (KINDS[key]) plot.append(svg("path", { d, class: `cell ${key}` }));
    else
      plot.append(
        svg("path", { d, class: "cell", "shape-rendering": "crispEdges", fill: viridis(key / SHADES) }),
      );
  }
  if (scale.empty && !Object.keys(kinds).length) nothing(made);
  return {
    ...made,
    ...{ kinds, scale },
    place: (share) => nearest(places, columns, share),
    row: (share) => Math.min(Math.max(Math.floor(share * count), 0), count - 1),
    middle: (i) => X(places.at(i)),
  };
}

const SHADES = 64;

/** By what a cell is drawn: its shade, its kind, or "" where there is none. */
function cell(spec, scale, values, r, c, columns) {
  if (spec.absent?.(r, c)) return "";
  const value = values[r * columns + c];
  const kind = kindOf(value, spec.log);
  return kind ?? String(Math.round(scale.at(value) * SHADES));
}
