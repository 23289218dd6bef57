// A picture that is drawn anew many times a second: on a canvas, while the page around it changes only where what
// it says does. Needs figure.js, paint.js and saving.js.

/** @typedef {{hue: number | "theory" | "faint", of?: number, dash?: string}} SentLook of: of which line a theory is */
/** @typedef {Omit<Line, "look"> & {look: SentLook}} SentLine */
/**
 * @typedef {{key: string, title: string, note?: string, steady?: boolean, height?: number, chosen?: number,
 *   row?: number, choose?: (i: number, row: number | undefined) => void, places?: (i: number) => string}} SentTold
 *   steady: whether the axes keep their ends where they can (they do); chosen, row: where the cursor is, which is
 *   else where the reader has put it; choose: is told where that is
 */
/**
 * @typedef {SentTold & {kind: "lines", label: string, log?: boolean, share?: boolean, guide?: number, x: Places,
 *   lines: SentLine[]}} SentLines
 */
/**
 * @typedef {SentTold & {kind: "heat", label: string, log?: boolean, share?: boolean, diverging?: boolean,
 *   square?: boolean, cellName?: (i: number, row: number) => string,
 *   x: Places, rows: string[], row_word?: string, values: ArrayLike<number>, absent?: ArrayLike<number>}} SentHeat
 *   rows of values from the bottom up
 */
/**
 * @typedef {SentTold & {kind: "plane", x: [number, number], y: [number, number], labels: [string, string],
 *   size: [number, number], classes?: number, values: ArrayLike<number>, points?: ArrayLike<number>,
 *   point_classes?: ArrayLike<number>}} SentPlane values of rows of equal cells, from the bottom up
 */
/** @typedef {SentLines | SentHeat | SentPlane} Sent a picture as it is sent, see vgcore/live/pictures.py */

/**
 * @param {SentLook} look
 * @returns {Look}
 */
function lookOf({ hue, of, dash }) {
  const look = hue === "theory" ? theory(of) : hue === "faint" ? FAINT : familiar(hue);
  return dash === undefined ? look : { ...look, dash };
}

/**
 * The middles of equal parts of a range.
 * @param {Ends} range
 * @param {number} count
 */
function middles({ low, high }, count) {
  return Array.from({ length: count }, (_, i) => low + ((i + 0.5) * (high - low)) / count);
}

/**
 * What of a picture that was sent depends on its kind.
 * @param {Sent} sent
 * @returns {Pick<Spec, "x" | "label" | "log" | "share" | "guide" | "lines" | "rows" | "value" | "absent" | "plane">}
 */
function ofKind(sent) {
  if (sent.kind === "lines") {
    const lines = sent.lines.map((line) => ({ ...line, look: lookOf(line.look) }));
    return { x: sent.x, label: sent.label, log: sent.log, share: sent.share, guide: sent.guide, lines };
  }
  const { values } = sent;
  if (sent.kind === "heat") {
    const [columns, { absent }] = [countOf(sent.x), sent];
    return {
      ...{ x: sent.x, label: sent.label, log: sent.log, share: sent.share, rows: sent.rows },
      ...{ rowWord: sent.row_word, cellName: sent.cellName, square: sent.square, diverging: sent.diverging },
      value: (/** @type {number} */ r, /** @type {number} */ c) => values[r * columns + c],
      absent:
        absent && ((/** @type {number} */ r, /** @type {number} */ c) => Boolean(absent[r * columns + c])),
    };
  }
  const { labels, size, classes, points, point_classes: pointClasses } = sent;
  const [x, y] = [sent.x, sent.y].map(([low, high]) => ({ low, high }));
  return {
    ...{ x: { span: x, count: size[1], label: labels[0] }, label: labels[1] },
    rows: middles(y, size[0]).map((value) => `${labels[1]} ${number(value)}`),
    value: (/** @type {number} */ r, /** @type {number} */ c) => values[r * size[1] + c],
    plane: { size, x, y, labels, classes, points, pointClasses },
  };
}

/**
 * A place of an axis in words.
 * @param {Places} x
 * @param {number} i
 */
function placeName({ names, values, span, count = 0, label }, i) {
  if (names) return names[i];
  const value = span ? middles(span, count)[i] : (values?.[i] ?? NaN);
  return `${label} ${Number.isInteger(value) ? value.toLocaleString("en") : number(value)}`;
}

/** Something to do again and again, but not too often; the last time is never left out. */
class Pace {
  /**
   * @param {number} milliseconds that lie between at least
   * @param {() => void} call
   */
  constructor(milliseconds, call) {
    this.milliseconds = milliseconds;
    this.call = call;
    this.last = -Infinity;
    this.timer = 0;
  }

  soon() {
    const wait = this.last + this.milliseconds - performance.now();
    if (wait <= 0) this.now();
    else this.timer ||= window.setTimeout(() => this.now(), wait);
  }

  now() {
    this.end();
    this.last = performance.now();
    this.call();
  }

  end() {
    clearTimeout(this.timer);
    this.timer = 0;
  }
}

/**
 * Write a text where it has changed.
 * @param {Node} place
 * @param {string} text
 */
function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

class MovingPicture extends Figure {
  /** @param {Element} parent that it is put into */
  constructor(parent) {
    super(parent);
    this.canvas = html("canvas", { class: "picture" });
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.host.append(this.canvas);
    this.host.addEventListener("pointerleave", () => {
      this.pointer = undefined;
    });
    const save = (/** @type {"PNG" | "SVG"} */ kind) =>
      html(
        "button",
        { type: "button", title: `Save as ${kind}`, onclick: () => this.drawn && this.save(kind) },
        kind,
      );
    this.caption.append(" ", html("span", { class: "save" }, save("PNG"), save("SVG")));
    this.sent = /** @type {Sent} */ (/** @type {unknown} */ (null));
    this.manner = /** @type {Manner | null} */ (null);
    this.cursor = "";
    /** @type {Pointed | undefined} where the pointer is */
    this.pointer = undefined;
    /** @type {{i?: number, value?: number, row?: number}} what the reader has chosen */
    this.kept = {};
    /** @type {Map<string, HTMLLIElement>} */
    this.items = new Map();
    this.canvas.addEventListener("focus", () => this.sent && this.repaint());
    this.texts = new Pace(120, () => this.say());
    this.voices = new Pace(1000, () => this.canvas.matches(":focus") || this.voice());
    this.table = new Pace(250, () => this.fill());
    this.width = 0;
    this.widths = new ResizeObserver(() => this.fit());
    this.widths.observe(this.host);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => {
      this.manner = null;
      if (this.sent) this.repaint();
    };
    this.scheme.addEventListener("change", this.recolour);
  }

  get surface() {
    return this.canvas;
  }

  /** Take it off the page. */
  remove() {
    this.widths.disconnect();
    this.scheme.removeEventListener("change", this.recolour);
    for (const pace of [this.texts, this.voices, this.table]) pace.end();
    this.root.remove();
  }

  /** Draw it as wide as there is room. */
  fit() {
    const width = this.host.clientWidth;
    if (!width || width === this.width) return;
    this.width = width;
    if (this.sent) this.show(this.sent);
  }

  /**
   * Draw it.
   * @param {Sent} sent
   */
  show(sent) {
    this.sent = sent;
    this.spec = this.specOf(sent);
    if (this.drawn && this.drawn.scale.log === this.spec.log) this.spec.last = this.drawn.extent;
    this.width ||= this.host.clientWidth;
    this.drawn = this.draw(Math.max(this.width || 640, 240));
    const { i, row } = this.place();
    this.point(this.cursorAt(i, row));
    this.texts.soon();
    this.voices.soon();
    if (this.details.open) this.table.soon();
  }

  /**
   * What a Figure shows.
   * @param {Sent} sent
   * @returns {Spec}
   */
  specOf(sent) {
    const own = ofKind(sent);
    const { title, note, height, steady = true } = sent;
    return {
      ...{ title, note, height, steady, ...own, log: Boolean(own.log) },
      places: sent.places ?? ((i) => placeName(own.x, i)),
      chosen: sent.chosen ?? this.chosenOf(own.x),
      row: own.rows && (sent.row ?? Math.min(this.kept.row ?? 0, own.rows.length - 1)),
      choose: (i, row = this.spec.row) => {
        this.kept = { i, value: own.x.values?.[i], row };
        this.pointer = undefined;
        sent.choose?.(i, row);
        this.show(this.sent);
        this.texts.now();
        this.voice();
      },
    };
  }

  /**
   * The place that the reader has chosen; else the first of names, the last of values.
   * @param {Places} x
   */
  chosenOf(x) {
    const last = countOf(x) - 1;
    const { i, value } = this.kept;
    if (i === undefined) return x.names ? 0 : x.values ? last : NaN;
    const { values } = x;
    if (value === undefined || !values) return Math.min(i, last);
    return nearest({ at: (k) => values[k] }, last + 1, value);
  }

  /** Where the cursor is: at the pointer, or at what is chosen. @returns {{i: number, row?: number, y?: number}} */
  place() {
    if (!this.pointer) return { i: this.spec.chosen, row: this.spec.row };
    const { i, row = this.spec.row, y } = this.at(this.pointer);
    return { i, row, y };
  }

  /** @param {PointerEvent} event */
  hover(event) {
    this.pointer = this.where(event);
    super.hover(event);
  }

  /** @param {string} d */
  point(d) {
    this.cursor = d;
    this.repaint();
  }

  /** Whether the reader looks at single places: else a cursor would look like data. */
  get isRead() {
    const chosen = this.kept.i !== undefined || Boolean(this.sent.choose);
    return chosen || Boolean(this.pointer) || this.canvas.matches(":focus");
  }

  repaint() {
    const { root, width, height } = this.drawn;
    const ratio = window.devicePixelRatio || 1;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    const { canvas, context } = this;
    if (canvas.width !== across || canvas.height !== down)
      Object.assign(canvas, { width: across, height: down });
    if (this.manner?.ratio !== ratio) this.manner = { theme: themeOf(this.root), ratio };
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    paint(root, context, this.manner);
    if (this.cursor && this.isRead)
      paint(node("path", { d: this.cursor, class: "cursor" }), context, this.manner);
  }

  /** Say in words what is shown, where that has changed. */
  say() {
    const { i, row, y } = this.place();
    write(this.title, this.spec.title);
    write(this.note, this.spec.note ?? "");
    write(this.readout, this.reading(i, row, y));
    this.announce();
    const entries = this.entries();
    const keys = entries.map(({ key }, n) => `${n} ${key}`);
    if (keys.join() !== [...this.items.keys()].join()) {
      this.items = new Map(keys.map((key, n) => [key, this.items.get(key) ?? this.item(entries[n])]));
      this.legend.replaceChildren(...this.items.values());
    }
    entries.forEach(({ parts }, n) => {
      const children = /** @type {HTMLLIElement} */ (this.items.get(keys[n])).childNodes;
      parts.forEach((part, k) => typeof part === "string" && write(children[k], part));
    });
  }

  /**
   * Give the reader a file of it.
   * @param {"PNG" | "SVG"} kind
   */
  save(kind) {
    const { title, note = "" } = this.spec;
    const drawing = standing(this.draw(SAVED_WIDTH), title, note, this.entries());
    const theme = onWhite(this.root);
    const made = kind === "SVG" ? svgFile(drawing, title, theme) : pngFile(drawing, theme);
    keep(made, `${this.sent.key}.${kind.toLowerCase()}`);
  }
}
