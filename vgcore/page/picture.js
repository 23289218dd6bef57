// A picture as SVG. Needs figure.js and svg.js.

/** A picture that stays as it is until it is shown anew: as SVG, which prints. */
class Picture extends Figure {
  /** @param {Element} parent that it is put into */
  constructor(parent) {
    super(parent);
    this.svg = svg("svg");
    this.cursor = svg("path");
  }

  get surface() {
    return this.svg;
  }

  /**
   * Draw it.
   * @param {Spec} spec
   */
  show(spec) {
    this.spec = spec;
    this.drawn = this.draw(Math.max(this.host.clientWidth || 640, 240));
    this.title.textContent = spec.title;
    this.note.textContent = spec.note ?? "";
    const focused = this.svg.matches(":focus");
    const cursor = node("path", { d: "", class: "cursor" });
    this.svg = toSvg({ ...this.drawn.root, children: [...this.drawn.root.children, cursor] });
    this.svg.setAttribute("class", "picture");
    this.cursor = /** @type {SVGElement} */ (this.svg.lastElementChild);
    this.announce();
    this.host.replaceChildren(this.svg);
    if (focused) this.svg.focus({ preventScroll: true });
    this.tell(spec.chosen);
    this.voice();
    this.legend.replaceChildren(...this.entries().map((entry) => this.item(entry)));
    this.fill();
  }

  /** @param {string} d */
  point(d) {
    this.cursor.setAttribute("d", d);
  }
}
