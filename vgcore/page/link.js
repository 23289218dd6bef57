// All settings in the part of an address behind "#": what is as by default is left out.

/**
 * @typedef {{settings: Settings[], scene: string, sceneAlone?: boolean}} Linked
 */

/**
 * @param {Control[]} controls
 * @param {Linked} linked
 */
function linkOf(controls, { settings, scene }) {
  const found = new URLSearchParams();
  if (scene) found.set("scene", scene);
  const [first, second] = settings;
  for (const { name, value } of controls) {
    if (first[name] !== value) found.set(name, String(first[name]));
  }
  if (second) {
    found.set("compare", "1");
    for (const { name } of controls) {
      if (second[name] !== first[name]) found.set(`B.${name}`, String(second[name]));
    }
  }
  return found.toString();
}

/**
 * What a link says; null where it says nothing.
 * @param {Control[]} controls
 * @param {string} text
 * @returns {Linked | null}
 */
function linked(controls, text) {
  const given = new URLSearchParams(text.replace(/^#/, ""));
  if (![...given].length) return null;
  const first = Object.fromEntries(controls.map(({ name, value }) => [name, value]));
  const second = { ...first };
  for (const control of controls) {
    const own = read(control, given.get(control.name));
    if (own !== undefined) first[control.name] = second[control.name] = own;
  }
  for (const control of controls) {
    const own = read(control, given.get(`B.${control.name}`));
    if (own !== undefined) second[control.name] = own;
  }
  const scene = given.get("scene") ?? "";
  const settings = given.get("compare") === "1" ? [first, second] : [first];
  return { settings, scene, sceneAlone: given.size === 1 && scene !== "" };
}

/**
 * A control's value as a link has it; undefined where it has none, or none such.
 * @param {Control} control
 * @param {string | null} text
 */
function read(control, text) {
  if (text === null) return undefined;
  if (control.kind === "switch") return text === "true";
  if (control.kind === "choice") return control.options.some(([value]) => value === text) ? text : undefined;
  if (control.kind === "text") return text.slice(0, control.longest);
  const value = Number(text);
  if (!text || !(value >= control.low && value <= control.high)) return undefined;
  if (control.values) return control.values.includes(value) ? value : undefined;
  return control.integer ? Math.round(value) : value;
}
