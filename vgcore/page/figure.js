// What pictures on a page have in common, whichever way they are drawn: caption, legend, the values under the
// pointer, keyboard, and the numbers behind it as a table. Needs elements.js, lines.js and maps.js.

const NUMBERS = "Numbers of this picture";
const MOST_NAMED = 12; // lines that a legend lists, and that are told together

/**
 * @typedef {{title: string, note?: string, places: (i: number) => string, chosen: number,
 *   choose: (i: number, row: number | undefined) => void, row?: number, exact?: Record<string, number>,
 *   ramp?: Line[]}} Told
 *   places: text of a place; chosen: a place, and of a map a row; exact: count of values of each of KINDS;
 *   ramp: the lines in order of colour
 */
/**
 * @typedef {Told & Omit<Axes, "width" | "height"> & {height?: number, guide?: number, lines?: Line[], rows?: string[],
 *   rowWord?: string, cellName?: (i: number, row: number) => string, square?: boolean, diverging?: boolean, value?: Heat["value"], absent?: Heat["absent"], plane?: Omit<Plane, "value" | "width" | "height">}} Spec
 *   what drawLines, drawHeat or drawPlane takes but for its size: maps have rows, each of them a `rowWord`, and of
 *   maps planes a `plane`; cellName: of a cell, where it is not that of its place and row; square: whether it is
 *   about as high as it is wide
 */
/**
 * @typedef {{key: string, parts: (Drawing | string)[], strong?: boolean, kind?: boolean}} Entry
 *   of a legend: the same key has the same drawings
 */
/** @typedef {{x: number, y: number}} Pointed shares of the plot's width and height, from below */

class Figure {
  /** @param {Element} parent that it is put into */
  constructor(parent) {
    this.title = html("strong");
    this.note = html("span", { class: "note" });
    this.host = html("div", { class: "host" });
    this.readout = html("p", { class: "readout" });
    this.legend = html("ul", { class: "legend" });
    this.numbers = html("div", { class: "numbers", tabindex: 0, role: "group", "aria-label": NUMBERS });
    this.details = html(
      "details",
      { class: "behind", ontoggle: () => this.fill() },
      html("summary", {}, NUMBERS),
      this.numbers,
    );
    this.caption = html("figcaption", {}, this.title, " ", this.note);
    const parts = [this.caption, this.host, this.readout, this.legend, this.details];
    this.root = html("figure", {}, ...parts);
    this.host.addEventListener("pointermove", (event) => this.drawn && this.hover(event));
    this.host.addEventListener("pointerleave", () => this.drawn && this.tell(this.spec.chosen));
    this.host.addEventListener("click", (event) => this.drawn && this.pick(event));
    this.host.addEventListener("keydown", (event) => this.drawn && this.press(event));
    this.spec = /** @type {Spec} */ (/** @type {unknown} */ (null));
    this.drawn = /** @type {Drawn} */ (/** @type {unknown} */ (null));
    parent.append(this.root);
  }

  /** What is drawn on, and has the keyboard. @returns {HTMLElement | SVGElement} */
  get surface() {
    throw new Error("a Figure draws on nothing");
  }

  /**
   * Show where the cursor is.
   * @param {string} _d path of it
   */
  point(_d) {
    throw new Error("a Figure draws on nothing");
  }

  /**
   * The drawing of what is shown.
   * @param {number} width
   */
  draw(width) {
    const { spec } = this;
    const squarish = spec.plane || spec.square;
    const usual = squarish ? Math.min(Math.max(0.75 * width, 220), 400) : width < 480 ? 220 : 280;
    const size = { width, height: spec.height ?? usual };
    if (spec.plane) return drawPlane(/** @type {Plane} */ ({ ...spec.plane, ...size, value: spec.value }));
    if (spec.rows) return drawHeat(/** @type {Heat} */ ({ ...spec, ...size }));
    return drawLines({ ...spec, ...size, lines: spec.lines ?? [] });
  }

  get count() {
    return countOf(this.spec.x);
  }

  /** Say of the surface what it is. */
  announce() {
    const told = {
      ...{ tabindex: "0", role: "slider", "aria-roledescription": "picture", "aria-label": this.spec.title },
      ...{ "aria-valuemin": "0", "aria-valuemax": String(Math.max(this.count - 1, 0)) },
    };
    for (const [name, value] of Object.entries(told)) this.surface.setAttribute(name, value);
  }

  /** Say of the surface what its cursor reads. */
  voice() {
    const { chosen } = this.spec;
    this.surface.setAttribute("aria-valuenow", String(chosen >= 0 ? chosen : 0));
    this.surface.setAttribute("aria-valuetext", this.reading(chosen) || "no place is chosen");
  }

  /**
   * Put the cursor at a place, and say its values.
   * @param {number} i
   * @param {number} [row]
   * @param {number} [pointed] the share of the height that is pointed at
   */
  tell(i, row = this.spec.row, pointed = NaN) {
    this.readout.textContent = this.reading(i, row, pointed);
    this.point(this.cursorAt(i, row));
  }

  /**
   * The cursor's path.
   * @param {number} i
   * @param {number} [row]
   */
  cursorAt(i, row = this.spec.row) {
    if (!(i >= 0 && i < this.count)) return "";
    const { box, middle } = this.drawn;
    const d = `M${middle(i)} ${box.top}V${box.bottom}`;
    const rows = this.spec.rows;
    if (row === undefined || rows?.[row] === undefined) return d;
    const height = (box.bottom - box.top) / rows.length;
    return `${d}M${box.left} ${round(box.bottom - (row + 0.5) * height)}H${box.right}`;
  }

  /**
   * The values at a place in words.
   * @param {number} i
   * @param {number} [row]
   * @param {number} [pointed]
   */
  reading(i, row = this.spec.row, pointed = NaN) {
    if (!(i >= 0 && i < this.count)) return "";
    const cell = row === undefined ? undefined : this.spec.cellName?.(i, row);
    if (cell) return `${cell}: ${this.inCell(i, /** @type {number} */ (row))}`;
    const values = this.spec.rows ? this.ofCell(i, row) : this.ofLines(i, pointed);
    return `${this.spec.places(i)}: ${values}`;
  }

  /** @param {number} i @param {number | undefined} row */
  ofCell(i, row) {
    const name = this.spec.rows?.[row ?? -1];
    const word = this.spec.rowWord ? `${this.spec.rowWord} ` : "";
    return name === undefined ? "" : `${word}${name} ${this.inCell(i, /** @type {number} */ (row))}`;
  }

  /** @param {number} i @param {number} row */
  inCell(i, row) {
    const { value, absent, plane } = this.spec;
    if (absent?.(row, i) || !value) return "none";
    return plane?.classes ? `class ${value(row, i)}` : number(value(row, i));
  }

  /** @param {number} i @param {number} pointed */
  ofLines(i, pointed) {
    let lines = this.spec.lines ?? [];
    if (lines.length > MOST_NAMED) {
      const far = (/** @type {Line} */ line) => Math.abs(this.drawn.scale.at(line.values[i]) - pointed);
      const by = lines.reduce((best, line) => (far(line) < far(best) || !(far(best) >= 0) ? line : best));
      lines = lines.filter((line) => line.strong || (line === by && far(line) >= 0));
    }
    return lines.map((line) => `${line.name} ${this.valueOf(line, i)}`).join("; ") || "none";
  }

  /**
   * A value in words; of the place before, where the line has none at this one.
   * @param {Line} line
   * @param {number} i
   * @returns {string}
   */
  valueOf(line, i) {
    if (line.skips?.(i)) {
      let before = i;
      while (before >= 0 && line.skips(before)) before--;
      return before < 0 ? "none yet" : `${this.valueOf(line, before)} at ${this.spec.places(before)}`;
    }
    if (line.absent?.(i)) return "none";
    const [low, high] = [line.low?.[i] ?? NaN, line.high?.[i] ?? NaN];
    const among = line.kinds ? " within this group" : "";
    const range = low < high ? ` (${number(low)} to ${number(high)}${among})` : "";
    return `${number(line.values[i])}${range}`;
  }

  /**
   * Where on the plot an event is.
   * @param {MouseEvent} event
   * @returns {Pointed}
   */
  where(event) {
    const { box, width } = this.drawn;
    const area = this.surface.getBoundingClientRect();
    const scale = width / area.width;
    return {
      x: ((event.clientX - area.left) * scale - box.left) / (box.right - box.left),
      y: (box.bottom - (event.clientY - area.top) * scale) / (box.bottom - box.top),
    };
  }

  /**
   * The place and row there.
   * @param {Pointed} pointed
   */
  at({ x, y }) {
    const row = this.spec.rows && y >= 0 && y <= 1 ? this.drawn.row(y) : undefined;
    return { i: this.drawn.place(x), row, y };
  }

  /** @param {PointerEvent} event */
  hover(event) {
    const { i, row, y } = this.at(this.where(event));
    this.tell(i, row ?? this.spec.row, y);
  }

  /** @param {MouseEvent} event */
  pick(event) {
    const { i, row } = this.at(this.where(event));
    this.surface.focus({ preventScroll: true });
    this.spec.choose(i, row);
  }

  /**
   * Arrows go on by one, page keys by ten, Home and End to the ends; up and down change a map's row.
   * @param {KeyboardEvent} event
   */
  press(event) {
    const { row = 0, rows } = this.spec;
    const last = this.count - 1;
    const chosen = this.spec.chosen >= 0 ? this.spec.chosen : 0;
    /** @type {Record<string, number>} */
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -last, End: last };
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key in moves) {
      this.spec.choose(Math.min(Math.max(chosen + moves[event.key], 0), last), this.spec.row);
    } else if (up && rows) {
      this.spec.choose(chosen, Math.min(Math.max(row + up, 0), rows.length - 1));
    } else return;
    event.preventDefault();
  }

  /** The legend's entries: lines, or the scale of colours, and what the axis cannot show. @returns {Entry[]} */
  entries() {
    const { lines = [], rows, guide, exact } = this.spec;
    const found = this.spec.plane
      ? this.ofPlane(this.spec.plane)
      : rows
        ? [this.colourScale()]
        : this.named(lines);
    if (guide && !rows) found.push({ key: "guide", parts: ["⋯ usual: about ", number(guide)] });
    for (const [kind, count] of Object.entries(this.drawn.kinds)) {
      const sign = rows || kind === "nan" ? patch(kind) : KINDS[kind].sign;
      const name = rows ? KINDS[kind].name.split(",")[0] : KINDS[kind].name;
      const values = exact?.[kind];
      const grouped = values === undefined && lines.some((line) => line.low && line.kinds) ? " groups" : "";
      const told = `${(values ?? count).toLocaleString("en")}${grouped}`;
      found.push({ key: kind, kind: true, parts: [sign, ` ${name} (${told})`] });
    }
    return found;
  }

  /** @param {Line[]} lines @returns {Entry[]} */
  named(lines) {
    const entry = (/** @type {Line} */ { name, look, strong }) => ({
      ...{ key: `${look.colour} ${look.dash} ${look.marker} ${strong}`, strong },
      parts: [piece(look), name],
    });
    const { ramp: ordered } = this.spec;
    if (!(lines.length > MOST_NAMED && ordered?.length)) return lines.map(entry);
    const [first, last] = [ordered[0], ordered[ordered.length - 1]];
    const through = [piece(first.look), `${first.name}, through `, piece(last.look), last.name];
    const key = `${first.look.colour} ${last.look.colour}`;
    return [{ key, parts: through }, ...lines.filter((line) => line.strong).map(entry)];
  }

  /** @returns {Entry} */
  colourScale() {
    const { low, high, log } = this.drawn.scale;
    const { diverging } = this.spec;
    const more = log ? " (log)" : diverging ? ", 0 as the ground" : "";
    const parts = [`${number(low)} `, ramp(diverging ? DIVERGING : WARMTH), ` ${number(high)}${more}`];
    return { key: diverging ? "diverging" : "colours", parts };
  }

  /** @param {Omit<Plane, "value" | "width" | "height">} plane @returns {Entry[]} */
  ofPlane({ classes, pointClasses = [] }) {
    const count = Math.max(classes ?? 2, ...Array.from(pointClasses, (which) => which + 1));
    const points = Array.from({ length: count }, (_, which) => ({
      key: `class ${which}`,
      parts: [pointOf(which), `class ${which}`],
    }));
    if (classes) return points;
    return [...points, { key: "colours", parts: ["0 ", ramp(CERTAINTY), " 1, share of class 1"] }];
  }

  /**
   * An entry as an element.
   * @param {Entry} entry
   */
  item({ parts, strong, kind }) {
    const name = kind ? "kind" : strong ? "strong" : undefined;
    const told = parts.map((part) => (typeof part === "string" ? part : swatch(part)));
    return html("li", { class: name }, ...told);
  }

  /** The table of the numbers, made when it is opened. */
  fill() {
    if (!this.details.open || !this.drawn) return;
    const { lines = [], rows, x } = this.spec;
    const names = rows ?? lines.map((line) => line.name);
    const value = (/** @type {number} */ i, /** @type {number} */ k) =>
      rows ? this.inCell(i, k) : this.valueOf(lines[k], i);
    const heads = [x.label, ...names].map((name) => html("th", { scope: "col" }, name));
    const body = Array.from({ length: this.count }, (_, i) =>
      html(
        "tr",
        i === this.spec.chosen ? { class: "strong" } : {},
        html("th", { scope: "row" }, this.spec.places(i)),
        ...names.map((_, k) => html("td", {}, value(i, k))),
      ),
    );
    const head = html("thead", {}, html("tr", {}, ...heads));
    this.numbers.replaceChildren(html("table", {}, head, html("tbody", {}, ...body)));
  }
}
