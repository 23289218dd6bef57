// A drawing on a canvas. Needs looks.js and, of drawings, draw.js.

/** @typedef {{group: Drawing, width: number, height: number, image?: HTMLCanvasElement}} Still */
/**
 * @typedef {{ratio: number, theme: Theme, still?: Still}} Manner
 *   ratio: pixels of the canvas to a pixel of the drawing; still: what was still when it was last painted so
 */

// Points of a line above which it is a pixel wide at most: without a graphics card wider ones cost several times that
const MOST_FINE = 100;

/**
 * Paint a drawing.
 * @param {Drawing} drawing
 * @param {CanvasRenderingContext2D} context which is scaled by the manner's ratio
 * @param {Manner} manner
 */
function paint(drawing, context, manner) {
  const { attributes, children } = drawing;
  const { class: name, x = 0, y = 0, at } = attributes;
  if (attributes.still) paintStill(drawing, context, manner);
  else if (drawing.tag === "svg" || drawing.tag === "g") {
    if (at) context.translate(at[0], at[1]);
    for (const child of children) paint(child, context, manner);
    if (at) context.translate(-at[0], -at[1]);
  } else if (drawing.tag === "image") paintCells(/** @type {Grid} */ (attributes.grid), context, manner);
  else if (drawing.tag === "text") paintText(drawing, context, manner.theme);
  else if (name) {
    const style = styleOf(name);
    if (!style.stroke && !style.fill) return;
    const { d, course, width = 0, height = 0 } = attributes;
    const path = new Path2D(d);
    if (course) {
      follow(
        course,
        (x, y) => path.moveTo(x, y),
        (x, y) => path.lineTo(x, y),
      );
    } else if (drawing.tag === "rect") path.rect(x, y, width, height);
    paintPath(path, style, attributes, context, manner);
  }
}

/**
 * Whether two groups of paths are the same.
 * @param {Drawing} one
 * @param {Drawing} other
 */
function alike(one, other) {
  const same = (/** @type {Drawing} */ child, /** @type {number} */ i) => {
    const [a, b] = [child.attributes, other.children[i].attributes];
    return a.d === b.d && a.class === b.class && a.tint === b.tint;
  };
  return one.children.length === other.children.length && one.children.every(same);
}

/**
 * Paint a group of paths that was mostly the same the last time: then it is kept as an image.
 * @param {Drawing} group
 * @param {CanvasRenderingContext2D} context
 * @param {Manner} manner
 */
function paintStill(group, context, manner) {
  const { width, height } = context.canvas;
  const { still } = manner;
  const fits = still && still.width === width && still.height === height && alike(still.group, group);
  if (!fits) {
    manner.still = { group, width, height };
    for (const child of group.children) paint(child, context, manner);
    return;
  }
  if (!still.image) {
    const made = contextOf(width, height);
    made.setTransform(context.getTransform());
    for (const child of group.children) paint(child, made, manner);
    still.image = made.canvas;
  }
  context.save();
  context.resetTransform();
  context.drawImage(still.image, 0, 0);
  context.restore();
}

/**
 * @param {Path2D} path
 * @param {Style} style
 * @param {Attributes} attributes
 * @param {CanvasRenderingContext2D} context
 * @param {Manner} manner
 */
function paintPath(path, style, { tint, dash, course }, context, manner) {
  const { theme } = manner;
  const dense = course && course.xs.length > MOST_FINE;
  const colour = (/** @type {string} */ name) => {
    if (name === "tint") return tint ? theme.tint(tint) : "transparent";
    return name.startsWith("#") ? tile(name.slice(1), context, manner) : theme[/** @type {"ink"} */ (name)];
  };
  if (style.fill) {
    context.globalAlpha = style["fill-opacity"] ?? 1;
    context.fillStyle = colour(style.fill);
    context.fill(path);
  }
  if (style.stroke) {
    context.globalAlpha = style["stroke-opacity"] ?? 1;
    context.strokeStyle = colour(style.stroke);
    context.lineWidth = dense ? Math.min(style.width ?? 1, 1) : (style.width ?? 1);
    context.lineJoin = style.join ?? "miter";
    context.setLineDash((dash || style.dash || "").split(" ").filter(Boolean).map(Number));
    context.stroke(path);
  }
  context.globalAlpha = 1;
}

/** @type {Record<string, CanvasTextAlign>} */
const ALIGNED = { start: "left", middle: "center", end: "right" };

/**
 * @param {Drawing} drawing
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 */
function paintText({ attributes, text }, context, theme) {
  const { x = 0, y = 0, anchor = "start", turned } = attributes;
  const { font = "", fill } = styleOf(attributes.class ?? "text");
  context.font = font;
  context.fillStyle = theme[/** @type {"ink"} */ (fill)];
  context.textAlign = ALIGNED[anchor];
  if (turned) {
    context.translate(x, y);
    context.rotate(-Math.PI / 2);
    context.fillText(text, 0, 0);
    context.rotate(Math.PI / 2);
    context.translate(-x, -y);
  } else context.fillText(text, x, y);
}

/** @param {number} width @param {number} height */
function contextOf(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/** @type {Map<string, CanvasPattern>} */
const tiles = new Map();

/**
 * What a pattern fills with.
 * @param {string} name
 * @param {CanvasRenderingContext2D} context
 * @param {Manner} manner
 */
function tile(name, context, { theme, ratio }) {
  const key = `${name} ${theme.ink} ${ratio}`;
  let made = tiles.get(key);
  if (!made) {
    const { size, turn, d, stroke } = PATTERNS[name];
    const pixels = Math.ceil(size * ratio);
    const drawn = contextOf(pixels, pixels);
    drawn.scale(pixels / size, pixels / size);
    drawn.globalAlpha = stroke ? PATTERN_OPACITY : 1;
    Object.assign(drawn, { strokeStyle: theme.ink, fillStyle: theme.ink });
    drawn[stroke ? "stroke" : "fill"](new Path2D(d));
    made = /** @type {CanvasPattern} */ (context.createPattern(drawn.canvas, "repeat"));
    made.setTransform(new DOMMatrix().rotate(turn).scale(size / pixels));
    tiles.set(key, made);
  }
  return made;
}

/** @type {WeakMap<Tint[], Map<string, Uint32Array>>} */
const palettes = new WeakMap();

/**
 * Colours as an ImageData holds them: of red, green, blue and opacity a byte each. NO_SHADE is transparent.
 * @param {Tint[]} colours
 * @param {Theme} theme
 */
function paletteOf(colours, theme) {
  const held = palettes.get(colours) ?? new Map();
  palettes.set(colours, held);
  let made = held.get(theme.scheme);
  if (!made) {
    const bytes = new Uint8ClampedArray(4 * (NO_SHADE + 1));
    colours.forEach((colour, i) => {
      const parts = /** @type {RegExpMatchArray} */ (theme.tint(colour).match(/\d+/g)).map(Number);
      bytes.set([...parts, 255], 4 * i);
    });
    made = new Uint32Array(bytes.buffer);
    held.set(theme.scheme, made);
  }
  return made;
}

const scratch = contextOf(1, 1);

/**
 * Put a grid's cells on the scratch canvas, which is as large as that takes: rows are a pixel high.
 * @param {Grid} grid
 * @param {Theme} theme
 * @param {ArrayLike<number>} places the column of each pixel of a row
 */
function putCells({ xs, ys, shades, colours }, theme, places) {
  const [columns, rows] = [xs.length - 1, ys.length - 1];
  const [width, height] = [places.length, rows];
  const { canvas } = scratch;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const image = scratch.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const palette = paletteOf(colours, theme);
  for (let r = 0, to = 0; r < rows; r++) {
    const from = (rows - 1 - r) * columns;
    for (let i = 0; i < width; i++) pixels[to++] = palette[shades[from + places[i]]];
  }
  scratch.putImageData(image, 0, 0);
}

/**
 * @param {Grid} grid
 * @param {CanvasRenderingContext2D} context
 * @param {Manner} manner
 */
function paintCells(grid, context, { theme, ratio }) {
  const { xs, ys, smooth } = grid;
  const [columns, rows] = [xs.length - 1, ys.length - 1];
  if (!columns || !rows) return;
  const [left, top] = [xs[0], ys[rows]];
  const [width, height] = [xs[columns] - left, ys[0] - top];
  const places = smooth ? Uint16Array.from({ length: columns }, (_, i) => i) : columnsOf(xs, ratio);
  putCells(grid, theme, places);
  context.imageSmoothingEnabled = smooth;
  context.drawImage(scratch.canvas, left, top, width, height);
}

/**
 * The column of each pixel from the first edge to the last.
 * @param {ArrayLike<number>} xs
 * @param {number} ratio
 */
function columnsOf(xs, ratio) {
  const last = xs.length - 1;
  const places = new Uint16Array(Math.max(Math.round((xs[last] - xs[0]) * ratio), 1));
  for (let i = 0, c = 0; i < places.length; i++) {
    while (c < last - 1 && (xs[c + 1] - xs[0]) * ratio <= i + 0.5) c++;
    places[i] = c;
  }
  return places;
}

/**
 * A grid's cells, running into each other, as the address of a PNG.
 * @param {Grid} grid
 * @param {Theme} theme
 */
function pictureOf(grid, theme) {
  const [width, height] = [8 * (grid.xs.length - 1), 8 * (grid.ys.length - 1)];
  const made = contextOf(width, height);
  const at = (/** @type {number[]} */ ends) => edges(ends.length - 1, (share) => share);
  const xs = at(Array.from(grid.xs)).map((share) => share * width);
  const ys = at(Array.from(grid.ys)).map((share) => (1 - share) * height);
  paintCells({ ...grid, xs, ys }, made, { theme, ratio: 1 });
  return made.canvas.toDataURL();
}
