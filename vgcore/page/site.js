// The host of a page without an install: frames come from a worker, in which Python runs.

const place = /** @type {HTMLElement} */ (document.getElementById("live"));
const progress = document.createElement("p");
progress.setAttribute("role", "status");
place.replaceChildren(progress);

const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
/** @type {Map<number, {resolve: (frame: ArrayBuffer) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
let asked = 0;

/** @type {(params: object) => Promise<ArrayBuffer>} */
const ask = (params) =>
  new Promise((resolve, reject) => {
    waiting.set(asked, { resolve, reject });
    worker.postMessage({ id: asked++, params: JSON.stringify(params) });
  });

worker.onmessage = (/** @type {MessageEvent} */ { data }) => {
  if (data.progress) progress.textContent = `${data.progress} …`;
  else if (data.ready) mount(place, ask, { links: true });
  else if (data.id === undefined) progress.textContent = data.failed;
  else {
    const request = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.failed === undefined) request?.resolve(data.frame);
    else request?.reject(new Error(`${data.failed} (a reload begins anew)`));
  }
};

worker.onerror = (/** @type {ErrorEvent} */ event) => {
  progress.textContent = `worker.js could not be run: ${event.message ?? "the browser does not say why"}`;
};
