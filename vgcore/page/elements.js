// Elements of a page. Needs svg.js and draw.js.

/**
 * An HTML element with attributes and children; `on...` are listeners, null children are left out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} attributes true stands for one without a value; undefined and false are left out
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
function html(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

/**
 * Call back before the next frame where an element's width has changed.
 * @param {Element} element
 * @param {() => void} call
 */
function whenWide(element, call) {
  let width = element.clientWidth;
  new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    requestAnimationFrame(call);
  }).observe(element);
}

const SWATCH = { width: 30, height: 12 };

/**
 * A piece of a line, as a legend shows it.
 * @param {Look} look
 */
function piece({ colour: tint, dash, marker, weight = "" }) {
  const made = node(
    "svg",
    SWATCH,
    node("path", { d: "M1 6H29", tint, dash, class: `line ${weight}`.trim() }),
  );
  if (marker !== null) {
    const d = MARKERS[marker % MARKERS.length](15, 6, 3);
    made.children.push(node("path", { d, tint, class: "marker" }));
  }
  return made;
}

/**
 * A patch of what a kind's cells or gaps are filled with.
 * @param {string} kind
 */
function patch(kind) {
  const size = { width: 16, height: 12 };
  return node("svg", size, node("rect", { ...size, class: kind === "nan" ? "hatched" : `cell ${kind}` }));
}

/**
 * Colours from the first to the last.
 * @param {Tint[]} colours
 */
function ramp(colours) {
  const size = { width: 112, height: 12 };
  const shades = Uint8Array.from(colours, (_, i) => i);
  const grid = { xs: edges(shades.length, (share) => size.width * share), ys: [size.height, 0], shades };
  const outline = node("path", { d: "M.5 .5h111v11h-111z", class: "outline" });
  return node("svg", size, node("image", { grid: { ...grid, colours, smooth: false } }), outline);
}

/**
 * A drawing among words.
 * @param {Drawing} drawing
 */
function swatch(drawing) {
  const made = toSvg(drawing);
  made.setAttribute("aria-hidden", "true");
  made.setAttribute("class", "swatch");
  return made;
}

/**
 * The mark of a plane's points of a class.
 * @param {number} which
 */
function pointOf(which) {
  const [d, tint] = [MARKERS[which % MARKERS.length](7, 6, 4), HUES[which % HUES.length]];
  return node("svg", { width: 14, height: 12 }, node("path", { d, tint, class: "point" }));
}
