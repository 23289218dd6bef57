// Pictures as they come in a frame, made into what a MovingPicture draws. Needs moving.js.

/**
 * A picture as it is drawn: percents as shares, of which 0 is left blank; points on the axes of their plane; places
 * in words.
 * @param {any} sent
 * @returns {Sent}
 */
function prepared(sent) {
  const made = { ...sent, ...wordsOf(sent.x) };
  if (sent.kind === "lines") return { ...made, lines: sent.lines.map(lineOf) };
  if (sent.kind === "plane") return { ...made, ...onAxes(sent) };
  if (sent.percent) {
    const absent = Uint8Array.from(sent.values, (value) => Number(!value));
    return { ...made, share: true, values: Float32Array.from(sent.values, (value) => value / 100), absent };
  }
  if (!sent.none) return made;
  const columns = sent.none.length;
  return { ...made, absent: Uint8Array.from(sent.values, (_, i) => sent.none[i % columns]) };
}

/**
 * What the places of an axis are called, where they are counted.
 * @param {{values?: ArrayLike<number>, place?: string, block?: number, end?: number}} x
 * @returns {{places?: (i: number) => string}}
 */
function wordsOf({ values = [], place, block = 1, end = Infinity }) {
  if (!place) return {};
  const told = (/** @type {number} */ value) => value.toLocaleString("en");
  const last = (/** @type {number} */ i) => Math.min(values[i] + block, end) - 1;
  return {
    places: (i) =>
      block > 1 ? `${place}s ${told(values[i])}–${told(last(i))}` : `${place} ${told(values[i])}`,
  };
}

/**
 * A line that says where it has no value.
 * @param {any} line
 * @returns {SentLine}
 */
function lineOf({ none, ...line }) {
  return none ? { ...line, absent: (/** @type {number} */ i) => Boolean(none[i]) } : line;
}

/**
 * Shares and points of a plane, which are sent as bytes.
 * @param {any} sent
 * @returns {{values: ArrayLike<number>, points?: ArrayLike<number>}}
 */
function onAxes({ values, classes, points, x, y }) {
  const shares =
    values instanceof Uint8Array && !classes ? Float32Array.from(values, (v) => v / 255) : values;
  if (!(points instanceof Uint8Array)) return { values: shares, points };
  const ends = [x, y];
  const at = Float32Array.from(points, (value, i) => {
    const [low, high] = ends[i % 2];
    return low + (value / 255) * (high - low);
  });
  return { values: shares, points: at };
}
