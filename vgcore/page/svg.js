// A drawing as SVG. Needs looks.js and, of drawings, draw.js and maps.js.

const SVG = "http://www.w3.org/2000/svg";
let patterns = 0; // that were made: no two have the same id

/**
 * An SVG element with attributes and children.
 * @param {string} tag
 * @param {Record<string, string | number | undefined>} attributes those that are undefined or empty are left out
 * @param {...(Node | string)} children
 */
function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== "") made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/**
 * A drawing as an SVG element.
 * @param {Drawing} drawing
 * @param {Theme} theme the colours: by themselves they follow the page's
 */
function toSvg(drawing, theme = FOLLOWING) {
  /** @type {Map<string, string>} */
  const used = new Map(); // patterns, and the ids that they have here
  const fill = (/** @type {string} */ name) => {
    if (!used.has(name)) used.set(name, `${name}-${++patterns}`);
    return `url(#${used.get(name)})`;
  };
  const { width, height } = drawing.attributes;
  const made = elementOf(drawing, theme, fill);
  made.setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (used.size) {
    const tiles = [...used].map(([name, id]) => tileOf(name, id, theme));
    made.prepend(svg("defs", {}, ...tiles));
  }
  return made;
}

/**
 * @param {Drawing} drawing
 * @param {Theme} theme
 * @param {(pattern: string) => string} fill
 * @returns {SVGElement}
 */
function elementOf({ tag, attributes, children, text }, theme, fill) {
  if (tag === "image") return cellsOf(/** @type {Grid} */ (attributes.grid), theme);
  const { class: name = "", tint, dash, course, x, y, width, height, anchor, turned, at } = attributes;
  const d = course ? along(course) : attributes.d;
  const style = name ? written(styleOf(name), theme, tint, dash, fill) : "";
  const place = turned ? { transform: `translate(${x} ${y}) rotate(-90)` } : { x, y };
  const made = svg(tag, { d, ...place, width, height, "text-anchor": anchor, class: name, style });
  if (at) made.setAttribute("transform", `translate(${at[0]} ${at[1]})`);
  made.append(...(tag === "text" ? [text] : children.map((child) => elementOf(child, theme, fill))));
  return made;
}

/**
 * The path of a course.
 * @param {Course} course
 */
function along(course) {
  let d = "";
  follow(
    course,
    (x, y) => (d += `M${x} ${y}`),
    (x, y) => (d += `L${x} ${y}`),
  );
  return d;
}

/**
 * A style as CSS.
 * @param {Style} style
 * @param {Theme} theme
 * @param {Tint | undefined} tint
 * @param {string | undefined} dash
 * @param {(pattern: string) => string} fill
 */
function written(style, theme, tint, dash, fill) {
  const colour = (/** @type {string} */ name) => {
    if (name === "tint") return tint ? theme.tint(tint) : "none";
    return name.startsWith("#") ? fill(name.slice(1)) : theme[/** @type {"ink"} */ (name)];
  };
  const dashes = dash || style.dash;
  const parts = {
    stroke: style.stroke && colour(style.stroke),
    fill: style.fill ? colour(style.fill) : "none",
    "stroke-width": style.stroke && style.width,
    "stroke-linejoin": style.join,
    "stroke-dasharray": style.stroke && dashes,
    "fill-opacity": style["fill-opacity"],
    "stroke-opacity": style["stroke-opacity"],
    font: style.font,
  };
  const told = Object.entries(parts).filter(([, value]) => value);
  return told.map(([name, value]) => `${name}:${value}`).join(";");
}

/**
 * Cells: a path for each shade; where neighbours run into each other, an image.
 * @param {Grid} grid
 * @param {Theme} theme
 */
function cellsOf(grid, theme) {
  const { xs, ys, shades, colours, smooth } = grid;
  if (smooth) {
    const [left, top] = [xs[0], ys[ys.length - 1]];
    const size = { x: left, y: top, width: xs[xs.length - 1] - left, height: ys[0] - top };
    return svg("image", { ...size, preserveAspectRatio: "none", href: pictureOf(grid, theme) });
  }
  const paths = cellPaths(xs, ys, shades).slice(0, colours.length);
  const style = (/** @type {number} */ shade) => `fill:${theme.tint(colours[shade])}`;
  const made = svg("g");
  paths.forEach((d, shade) => {
    made.append(svg("path", { d, class: "cell", "shape-rendering": "crispEdges", style: style(shade) }));
  });
  return made;
}

/**
 * A pattern's tile.
 * @param {string} name
 * @param {string} id
 * @param {Theme} theme
 */
function tileOf(name, id, theme) {
  const { size, turn, d, stroke } = PATTERNS[name];
  const style = stroke
    ? `stroke:${theme.ink};stroke-opacity:${PATTERN_OPACITY};fill:none`
    : `fill:${theme.ink}`;
  const turned = turn ? `rotate(${turn})` : "";
  return svg(
    "pattern",
    { id, width: size, height: size, patternUnits: "userSpaceOnUse", patternTransform: turned },
    svg("path", { d, style }),
  );
}
