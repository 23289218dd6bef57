// A live page in an element: asks `step` for a frame, shows what it holds, asks again.

/**
 * @param {HTMLElement} el
 * @param {(params: object) => Promise<ArrayBuffer>} step
 * @returns {() => void} ends it
 */
function mount(el, step) {
  const shown = document.createElement("pre");
  const session = Math.random().toString(36).slice(2);
  let going = true;
  el.replaceChildren(shown);
  (async () => {
    for (let asked = 0; going; asked++) {
      try {
        const frame = unpack(await step({ session, asked, page: !asked }));
        shown.textContent = `${asked} ${JSON.stringify(frame).slice(0, 2000)}`;
      } catch (error) {
        shown.textContent = `${error}`;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  })();
  return () => {
    going = false;
  };
}
