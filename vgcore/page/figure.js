// A picture on a page: its caption, legend, the values under the pointer, keyboard, and the numbers behind it
// as a table. Needs scale.js and draw.js.

const MOST_NAMED = 12; // lines that a legend lists, and that are told together

/** An HTML element with attributes and children; `on...` are listeners, null children are left out. */
function html(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A piece of a line, as a legend shows it. */
function swatch(look) {
  const style = tinted(look.colour);
  return svg(
    "svg",
    { width: 30, height: 12, "aria-hidden": "true", class: "swatch" },
    svg("path", { d: "M1 6H29", class: "line", style, "stroke-dasharray": look.dash }),
    svg("path", { d: MARKERS[look.marker % MARKERS.length](15, 6, 3), class: "marker", style }),
  );
}

class Picture {
  /** @param parent element that it is put into */
  constructor(parent) {
    this.title = html("strong");
    this.note = html("span", { class: "note" });
    this.host = html("div", { class: "host" });
    this.readout = html("p", { class: "readout" });
    this.legend = html("ul", { class: "legend" });
    this.numbers = html("div", { class: "numbers" });
    this.details = html(
      "details",
      { class: "behind", ontoggle: () => this.fill() },
      html("summary", {}, "Numbers of this picture"),
      this.numbers,
    );
    const caption = html("figcaption", {}, this.title, " ", this.note);
    const parts = [caption, this.host, this.readout, this.legend, this.details];
    this.root = html("figure", {}, ...parts);
    this.host.addEventListener("pointermove", (event) => this.hover(event));
    this.host.addEventListener("pointerleave", () => this.tell(this.spec.chosen));
    this.host.addEventListener("click", (event) => this.pick(event));
    this.host.addEventListener("keydown", (event) => this.press(event));
    parent.append(this.root);
  }

  /**
   * Draw it.
   * @param spec what drawLines or drawHeat takes (a heatmap has rows) but for its size, and
   *   title, note, places: i => text of a place, chosen: i, choose: (i, row) => void,
   *   row?: the chosen one of a heatmap, exact?: {kind: count of values}, ramp?: the lines in order of colour
   */
  show(spec) {
    this.spec = spec;
    const width = Math.max(this.host.clientWidth || 640, 240);
    const height = spec.height ?? (width < 480 ? 220 : 280);
    const focused = this.host.contains(document.activeElement);
    this.drawn = (spec.rows ? drawHeat : drawLines)({ ...spec, width, height });
    this.title.textContent = spec.title;
    this.note.textContent = spec.note ?? "";
    const { root } = this.drawn;
    root.setAttribute("tabindex", "0");
    root.setAttribute("role", "slider");
    root.setAttribute("aria-roledescription", "picture");
    root.setAttribute("aria-valuemin", "0");
    root.setAttribute("aria-valuemax", String(Math.max(this.count - 1, 0)));
    this.cursor = svg("path", { class: "cursor" });
    root.append(this.cursor);
    this.host.replaceChildren(root);
    if (focused) root.focus({ preventScroll: true });
    this.tell(spec.chosen);
    root.setAttribute("aria-valuenow", String(spec.chosen));
    root.setAttribute("aria-valuetext", this.readout.textContent);
    this.legend.replaceChildren(...this.entries());
    if (this.details.open) this.fill();
  }

  get count() {
    return (this.spec.x.names ?? this.spec.x.values).length;
  }

  /** Put the cursor at a place, and say its values. */
  tell(i, row = this.spec.row, pointed = NaN) {
    const { box, middle } = this.drawn;
    if (!(i >= 0 && i < this.count)) {
      this.readout.textContent = "";
      return;
    }
    let d = `M${middle(i)} ${box.top}V${box.bottom}`;
    if (this.spec.rows?.[row] !== undefined) {
      const height = (box.bottom - box.top) / this.spec.rows.length;
      const y = round(box.bottom - (row + 0.5) * height);
      d += `M${box.left} ${y}H${box.right}`;
    }
    this.cursor.setAttribute("d", d);
    const values = this.spec.rows ? this.ofCell(i, row) : this.ofLines(i, pointed);
    this.readout.textContent = `${this.spec.places(i)}: ${values}`;
  }

  ofCell(i, row) {
    const { rows, value, absent } = this.spec;
    if (rows[row] === undefined) return "";
    return `${rows[row]} ${absent?.(row, i) ? "none" : number(value(row, i))}`;
  }

  ofLines(i, pointed) {
    let { lines } = this.spec;
    if (lines.length > MOST_NAMED) {
      const far = (line) => Math.abs(this.drawn.scale.at(line.values[i]) - pointed);
      const by = lines.reduce((best, line) => (far(line) < far(best) || !(far(best) >= 0) ? line : best));
      lines = lines.filter((line) => line.strong || (line === by && far(line) >= 0));
    }
    return lines.map((line) => `${line.name} ${this.valueOf(line, i)}`).join("; ") || "none";
  }

  /** A value in words; of the place before, where the line has none at this one. */
  valueOf(line, i) {
    if (line.skips?.(i)) {
      let before = i;
      while (before >= 0 && line.skips(before)) before--;
      return before < 0 ? "none yet" : `${this.valueOf(line, before)} at ${this.spec.places(before)}`;
    }
    if (line.absent?.(i)) return "none";
    const [low, high] = [line.low?.[i], line.high?.[i]];
    const range = low < high ? ` (${number(low)} to ${number(high)} within this group)` : "";
    return `${number(line.values[i])}${range}`;
  }

  where(event) {
    const { box, root } = this.drawn;
    const area = root.getBoundingClientRect();
    const scale = root.viewBox.baseVal.width / area.width;
    const x = ((event.clientX - area.left) * scale - box.left) / (box.right - box.left);
    const y = (box.bottom - (event.clientY - area.top) * scale) / (box.bottom - box.top);
    const row = this.spec.rows && y >= 0 && y <= 1 ? this.drawn.row(y) : undefined;
    return { i: this.drawn.place(x), row, y };
  }

  hover(event) {
    const { i, row, y } = this.where(event);
    this.tell(i, row ?? this.spec.row, y);
  }

  pick(event) {
    const { i, row } = this.where(event);
    this.drawn.root.focus({ preventScroll: true });
    this.spec.choose(i, row);
  }

  /** Arrows go on by one, page keys by ten, Home and End to the ends; up and down change a heatmap's row. */
  press(event) {
    const { chosen, row, rows } = this.spec;
    const last = this.count - 1;
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -last, End: last };
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key in moves) {
      this.spec.choose(Math.min(Math.max(chosen + moves[event.key], 0), last), row);
    } else if (up && rows) {
      this.spec.choose(chosen, Math.min(Math.max(row + up, 0), rows.length - 1));
    } else return;
    event.preventDefault();
  }

  /** The legend's entries: lines, or the scale of colours, and what the axis cannot show. */
  entries() {
    const { lines, rows, ramp, exact } = this.spec;
    const found = [];
    if (rows) found.push(this.colourScale());
    else if (lines.length > MOST_NAMED && ramp?.length) {
      const [first, last] = [ramp[0], ramp[ramp.length - 1]];
      found.push(html("li", {}, swatch(first.look), `${first.name}, through `, swatch(last.look), last.name));
      const strong = lines.filter((line) => line.strong);
      found.push(...strong.map((line) => html("li", { class: "strong" }, swatch(line.look), line.name)));
    } else {
      found.push(
        ...lines.map((line) =>
          html("li", { class: line.strong ? "strong" : "" }, swatch(line.look), line.name),
        ),
      );
    }
    const { guide } = this.spec;
    if (guide && !rows) found.push(html("li", {}, "⋯ usual: about ", number(guide)));
    for (const [kind, count] of Object.entries(this.drawn.kinds)) {
      const sign = rows || kind === "nan" ? patch(kind) : KINDS[kind].sign;
      const name = rows ? KINDS[kind].name.split(",")[0] : KINDS[kind].name;
      const values = exact?.[kind];
      const grouped = values === undefined && lines?.some((line) => line.low) ? " groups" : "";
      const told = `${(values ?? count).toLocaleString("en")}${grouped}`;
      found.push(html("li", { class: "kind" }, sign, ` ${name} (${told})`));
    }
    return found;
  }

  colourScale() {
    const { scale } = this.drawn;
    const stops = Array.from({ length: 17 }, (_, i) => viridis(i / 16));
    const bar = html("span", { class: "ramp", style: `background:linear-gradient(90deg,${stops})` });
    return html("li", {}, number(scale.low), " ", bar, " ", number(scale.high), scale.log ? " (log)" : "");
  }

  /** The table of the numbers, made when it is opened. */
  fill() {
    if (!this.details.open) return;
    const { lines, rows, x } = this.spec;
    const names = rows ?? lines.map((line) => line.name);
    const value = (i, k) => (rows ? this.ofCell(i, k).slice(rows[k].length + 1) : this.valueOf(lines[k], i));
    const head = html(
      "tr",
      {},
      html("th", { scope: "col" }, x.label),
      ...names.map((name) => html("th", { scope: "col" }, name)),
    );
    const body = Array.from({ length: this.count }, (_, i) =>
      html(
        "tr",
        i === this.spec.chosen ? { class: "strong" } : {},
        html("th", { scope: "row" }, this.spec.places(i)),
        ...names.map((_, k) => html("td", {}, value(i, k))),
      ),
    );
    this.numbers.replaceChildren(html("table", {}, html("thead", {}, head), html("tbody", {}, ...body)));
  }
}

/** A patch of what a kind's cells or gaps are filled with. */
function patch(kind) {
  const size = { width: 16, height: 12 };
  return svg(
    "svg",
    { ...size, "aria-hidden": "true", class: "swatch" },
    svg("rect", { ...size, class: kind === "nan" ? "hatched" : `cell ${kind}` }),
  );
}
