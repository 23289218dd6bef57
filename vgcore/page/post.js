// The host of `vgcore live`: frames come from the server that the page came from.

/**
 * @param {object} params
 * @returns {Promise<ArrayBuffer>}
 */
async function post(params) {
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const headers = { "X-Vgcore-Token": token };
  const request = { method: "POST", headers, body: JSON.stringify(params), keepalive: "leaves" in params };
  let answer;
  try {
    answer = await fetch("frame", request);
  } catch {
    throw new Error("nothing answers any more: was the server ended?");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer.arrayBuffer();
}

mount(/** @type {HTMLElement} */ (document.getElementById("live")), post, { links: true });
