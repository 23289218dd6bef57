// The host of notebooks: an anywidget, whose own messages carry what is asked for and each frame.

const FIRST_PATIENCE = 10_000; // ms; doubled while nothing is answered: what was asked stays in the kernel's queue
const LONGEST_PATIENCE = 300_000;

/**
 * @param {{model: any, el: HTMLElement}} view
 * @returns {() => void} ends it
 */
function render({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  /** @type {Map<string, (frame: ArrayBuffer) => void>} */
  const waiting = new Map();
  let asked = 0;
  let patience = FIRST_PATIENCE;

  /** @type {(message: {id: string}, buffers: DataView<ArrayBuffer>[]) => void} */
  const heard = ({ id }, [frame]) => {
    waiting.get(id)?.(frame.buffer.slice(frame.byteOffset, frame.byteOffset + frame.byteLength));
  };

  /** @type {(params: object) => Promise<ArrayBuffer>} */
  const step = (params) =>
    new Promise((resolve, reject) => {
      const id = `${view} ${asked++}`;
      const limit = patience;
      model.send({ id, params });
      const late = setTimeout(() => {
        waiting.delete(id);
        reject(new Error(`no answer for ${limit / 1000} seconds: is another cell running, or no kernel?`));
        patience = Math.min(2 * limit, LONGEST_PATIENCE);
      }, limit);
      waiting.set(id, (frame) => {
        clearTimeout(late);
        waiting.delete(id);
        patience = FIRST_PATIENCE;
        resolve(frame);
      });
    });

  model.on("msg:custom", heard);
  const end = mount(el, step);
  return () => {
    end();
    model.off("msg:custom", heard);
  };
}

export default { render };
