// Pictures whose places and rows are values of controls: a click sets these, and the cursor is where they are.
// Needs draw.js.

/**
 * @typedef {{choose: {place?: string, row?: string}, x: Places & {block?: number}, rows?: string[],
 *   row_values?: ArrayLike<number>, at?: ArrayLike<number>}} Choosing
 *   place, row: names of controls, which take names, else numbers: of blocks the first; row_values: those of rows,
 *   which else are names; at: which number of its block, counted row by row, a cell shows
 */

/**
 * The values of controls at a place and row.
 * @param {Choosing} sent
 * @param {number} i
 * @param {number | undefined} row
 * @returns {Settings}
 */
function settingsAt({ choose, x, rows, row_values: numbers, at }, i, row) {
  /** @type {Settings} */
  const found = {};
  const { names, values, block = 1 } = x;
  const inside = at && row !== undefined ? at[row * countOf(x) + i] : 0;
  if (choose.place) found[choose.place] = names ? names[i] : (values?.[i] ?? 0) + (inside % block);
  if (choose.row && row !== undefined)
    found[choose.row] = numbers ? numbers[row] + Math.floor(inside / block) : rows?.[row];
  return found;
}

/**
 * Where the cursor is with some values of controls.
 * @param {Choosing} sent
 * @param {Settings} settings
 * @returns {{chosen?: number, row?: number}}
 */
function cursorOf({ choose, x, rows, row_values: numbers }, settings) {
  const { place = "", row = "" } = choose;
  return {
    ...(place in settings ? { chosen: lastUpTo(x.names ?? x.values ?? [], settings[place]) } : {}),
    ...(row in settings ? { row: lastUpTo(numbers ?? rows ?? [], settings[row]) } : {}),
  };
}

/**
 * The place of a name, or of the last of rising numbers that is not above one.
 * @param {ArrayLike<any>} places
 * @param {any} value
 */
function lastUpTo(places, value) {
  if (typeof value === "string") return Math.max(Array.from(places).indexOf(value), 0);
  let found = 0;
  for (let i = 0; i < places.length && places[i] <= value; i++) found = i;
  return found;
}
