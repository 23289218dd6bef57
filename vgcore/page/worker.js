// The worker of a page without an install: loads Python, NumPy and vgcore, makes the page, answers with frames.
// SITE, which stands before this, says where they are; its `numpy` is a file beside Pyodide, or null where
// Pyodide is to find it.

/** @type {Promise<(params: string) => Uint8Array>} */
const framed = load();

/** @returns {Promise<(params: string) => Uint8Array>} what makes a frame */
async function load() {
  const base = new URL(SITE.pyodide, location.href).href;
  tell("Loading Python");
  const [pyodide, wheel, numpy] = await Promise.all([
    imported(`${base}pyodide.mjs`).then(({ loadPyodide }) => loadPyodide({ indexURL: base })),
    fetched(SITE.wheel),
    SITE.numpy ? fetched(base + SITE.numpy) : null,
  ]);
  tell("Loading NumPy and vgcore");
  const extractDir = pyodide.runPython("import sysconfig; sysconfig.get_path('purelib')");
  if (numpy) pyodide.unpackArchive(numpy, "zip", { extractDir });
  else await find(pyodide, "numpy");
  pyodide.unpackArchive(wheel, "zip", { extractDir });
  tell("Making the page");
  pyodide.FS.writeFile(`${extractDir}/page.py`, new Uint8Array(await fetched("page.py")));
  const { page } = pyodide.pyimport("page");
  const { loads } = pyodide.pyimport("json");
  return (params) => {
    const given = loads(params);
    const frame = page.frame(given);
    try {
      return frame.toJs();
    } finally {
      given.destroy();
      frame.destroy();
    }
  };
}

/** @type {(pyodide: any, name: string) => Promise<void>} from where Pyodide itself came */
async function find(pyodide, name) {
  let why = "";
  const told = { messageCallback() {}, errorCallback: (/** @type {string} */ text) => (why = text) };
  await pyodide.loadPackage(name, told);
  if (!pyodide.loadedPackages[name]) throw new Error(`${name} could not be loaded: ${why}`);
}

/** @type {(text: string) => void} */
function tell(progress) {
  postMessage({ progress });
}

/** @type {(url: string) => Promise<ArrayBuffer>} */
async function fetched(url) {
  const answer = await fetch(url).catch((error) => {
    throw new Error(`${url} could not be loaded: ${error.message}`);
  });
  if (!answer.ok) throw new Error(`${url} could not be loaded: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

/** @type {(url: string) => Promise<any>} */
async function imported(url) {
  try {
    return await import(url);
  } catch (error) {
    const answer = await fetch(url).catch(() => null);
    const type = answer?.ok && answer.headers.get("Content-Type");
    const foreign = type && !type.includes("javascript");
    const why = foreign
      ? `it comes as ${type}, not as text/javascript`
      : /** @type {Error} */ (error).message;
    throw new Error(`${url} could not be loaded: ${why}`);
  }
}

/** @type {(error: any) => string} of what Python says, that behind the lines of code */
function said(error) {
  const lines = `${error.message ?? error}`.trimEnd().split("\n");
  return lines.slice(lines.findLastIndex((line) => line.startsWith("  ")) + 1).join("\n");
}

framed.then(
  () => postMessage({ ready: true }),
  (error) => postMessage({ failed: said(error) }),
);

self.onmessage = async ({ data: { id, params } }) => {
  try {
    const { buffer } = (await framed)(params);
    self.postMessage({ id, frame: buffer }, { transfer: [buffer] });
  } catch (error) {
    postMessage({ id, failed: said(error) });
  }
};
