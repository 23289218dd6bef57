// Frames as vgcore/live/packing.py packs them: JSON, and arrays behind it that are looked at where they lie.

const FRAME_VERSION = 1;
const FRAME_HEAD = 12;
/** @type {Record<string, Float64ArrayConstructor | Float32ArrayConstructor | Int32ArrayConstructor | Uint8ArrayConstructor>} */
const FRAME_ARRAYS = { f8: Float64Array, f4: Float32Array, i4: Int32Array, u1: Uint8Array };

/**
 * The tree of a frame; its arrays are typed arrays, rows one behind the other.
 * @param {ArrayBuffer} buffer
 * @returns {any}
 */
function unpack(buffer) {
  const view = new DataView(buffer);
  const magic = String.fromCharCode(...new Uint8Array(buffer, 0, Math.min(4, buffer.byteLength)));
  if (buffer.byteLength < FRAME_HEAD || magic !== "vgcf") throw new Error("what came is no frame");
  const version = view.getUint16(4, true);
  if (version !== FRAME_VERSION)
    throw new Error(
      `expected a frame of version ${FRAME_VERSION}, got ${version}: page and vgcore are of two versions`,
    );
  const length = view.getUint32(8, true);
  const text = new TextDecoder().decode(new Uint8Array(buffer, FRAME_HEAD, length));
  return JSON.parse(text, (_, held) => {
    if (!held?.$) return held;
    const [kind, offset, size] = held.$;
    return new FRAME_ARRAYS[kind](buffer, FRAME_HEAD + length + offset, size);
  });
}
