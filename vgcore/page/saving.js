// A picture as a file that stands by itself: its title above it and its legend below, on white. Needs elements.js,
// figure.js and paint.js.

const SAVED_WIDTH = 720;
const AROUND = 12; // pixels of white

/**
 * A text in lines that are not wider than there is room, broken at spaces.
 * @param {string} text
 * @param {string} style class of it
 * @param {number} room
 */
function wrapped(text, style, room) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ").filter(Boolean)) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && widthOf(longer, `text ${style}`) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/**
 * How wide a part of a legend's entry is.
 * @param {Drawing | string} part
 */
function widthOfPart(part) {
  return typeof part === "string" ? widthOf(part) : (part.attributes.width ?? 0) + 6;
}

/**
 * A legend as drawings, one entry beside the other, and its height.
 * @param {Entry[]} entries
 * @param {number} room
 */
function laidOut(entries, room) {
  /** @type {Drawing[]} */
  const made = [];
  let [x, y] = [0, 0];
  for (const { parts } of entries) {
    const width = parts.reduce((sum, part) => sum + widthOfPart(part), 0);
    if (x > 0 && x + width > room) [x, y] = [0, y + LINE + 6];
    for (const part of parts) {
      if (typeof part === "string") {
        const text = part.trimStart(); // in SVG a text begins where it says something
        made.push(words(text, { x: x + widthOf(part) - widthOf(text), y: y + 11 }));
      } else made.push(node("g", { at: [x, y] }, ...part.children));
      x += widthOfPart(part);
    }
    x += 2 * GAP;
  }
  return { made, height: entries.length ? y + LINE : 0 };
}

/**
 * A drawing with what it needs to stand by itself.
 * @param {Frame} drawn
 * @param {string} title
 * @param {string} note
 * @param {Entry[]} entries
 */
function standing({ root, width, height }, title, note, entries) {
  const [titles, notes] = [wrapped(title, "title", width), wrapped(note, "label", width)];
  const heads = [
    ...titles.map((text) => ({ text, class: "title", height: 20 })),
    ...notes.map((text) => ({ text, class: "label", height: LINE + 2 })),
  ];
  const parts = [];
  let y = AROUND;
  for (const head of heads) {
    parts.push(words(head.text, { x: AROUND, y: y + 12, class: head.class }));
    y += head.height;
  }
  parts.push(node("g", { at: [AROUND, y] }, ...root.children));
  y += height + GAP;
  const legend = laidOut(entries, width);
  parts.push(node("g", { at: [AROUND, y] }, ...legend.made));
  const size = { width: width + 2 * AROUND, height: y + legend.height + AROUND };
  return node("svg", size, node("rect", { ...size, x: 0, y: 0, class: "paper" }), ...parts);
}

/**
 * The colours on white, whatever those of the page are.
 * @param {Element} within
 */
function onWhite(within) {
  const probe = html("span", { class: "on-white" });
  within.append(probe);
  const theme = themeOf(probe);
  probe.remove();
  return theme;
}

/**
 * A drawing as the text of an SVG file.
 * @param {Drawing} drawing
 * @param {string} title
 * @param {Theme} theme
 */
function svgFile(drawing, title, theme) {
  const made = toSvg(drawing, theme);
  made.prepend(svg("title", {}, title));
  return new Blob([new XMLSerializer().serializeToString(made)], { type: "image/svg+xml" });
}

/**
 * A drawing as a PNG file of twice its size.
 * @param {Drawing} drawing
 * @param {Theme} theme
 */
function pngFile(drawing, theme) {
  const { width = 0, height = 0 } = drawing.attributes;
  const made = contextOf(Math.ceil(2 * width), Math.ceil(2 * height));
  made.scale(2, 2);
  paint(drawing, made, { theme, ratio: 2 });
  const held = atob(made.canvas.toDataURL().split(",")[1]); // toBlob waits until the page is idle: for seconds
  return new Blob([Uint8Array.from(held, (octet) => octet.charCodeAt(0))], { type: "image/png" });
}

/**
 * Let the reader keep a file.
 * @param {Blob} blob
 * @param {string} name
 */
function keep(blob, name) {
  const href = URL.createObjectURL(blob);
  html("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
