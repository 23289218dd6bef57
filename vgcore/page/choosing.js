// Pictures whose places and rows are values of controls: a click sets these, and the cursor is where they are.
// Needs draw.js.

/**
 * @typedef {{choose: {place?: string, row?: string}, x: Places & {block?: number}, rows?: string[],
 *   place_values?: ArrayLike<number>, row_values?: ArrayLike<number>, at?: ArrayLike<number>}} Choosing
 *   place, row: names of controls, which take names, else numbers: of blocks the first; one that is both takes the
 *   sum; place_values, row_values: these numbers, where they are others than what stands on the axes; at: which
 *   number of its block, counted row by row, a cell shows
 */

/** What places stand for. @param {Choosing} sent @returns {ArrayLike<any>} */
function placesOf({ x, place_values: numbers }) {
  return numbers ?? x.names ?? x.values ?? [];
}

/** What rows stand for. @param {Choosing} sent @returns {ArrayLike<any>} */
function rowsOf({ rows, row_values: numbers }) {
  return numbers ?? rows ?? [];
}

/**
 * The values of controls at a place and row.
 * @param {Choosing} sent
 * @param {number} i
 * @param {number | undefined} row
 * @returns {Settings}
 */
function settingsAt(sent, i, row) {
  const { choose, x, at } = sent;
  const block = x.block ?? 1;
  const inside = at && row !== undefined ? at[row * countOf(x) + i] : 0;
  const plus = (/** @type {any} */ value, /** @type {number} */ more) =>
    typeof value === "number" ? value + more : value;
  const place = plus(placesOf(sent)[i], inside % block);
  const across = choose.place ? { [choose.place]: place } : {};
  if (!choose.row || row === undefined) return across;
  const up = plus(rowsOf(sent)[row], Math.floor(inside / block));
  return { ...across, [choose.row]: choose.row === choose.place ? place + up : up };
}

/**
 * Where the cursor is with some values of controls.
 * @param {Choosing} sent
 * @param {Settings} settings
 * @returns {{chosen?: number, row?: number}}
 */
function cursorOf(sent, settings) {
  const { place = "", row = "" } = sent.choose;
  const up = row in settings ? { row: placeOf(rowsOf(sent), settings[row]) } : {};
  if (!(place in settings)) return up;
  const below = row === place && up.row !== undefined ? rowsOf(sent)[up.row] : 0;
  const value = below ? settings[place] - below : settings[place];
  return { ...up, chosen: placeOf(placesOf(sent), value) };
}

/**
 * The place of a name, or of the last of rising numbers that is not above one; of equal ones the middle.
 * @param {ArrayLike<any>} places
 * @param {any} value
 */
function placeOf(places, value) {
  if (typeof value === "string") return Math.max(Array.from(places).indexOf(value), 0);
  let last = 0;
  for (let i = 0; i < places.length && places[i] <= value; i++) last = i;
  let first = last;
  while (first > 0 && places[first - 1] === places[last]) first--;
  return Math.floor((first + last) / 2);
}
