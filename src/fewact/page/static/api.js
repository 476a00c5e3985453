// @ts-check
// Requests to the server, and the state that follows it.

/** @typedef {import("./types").PageFacts} PageFacts */
/** @typedef {import("./types").ErrorFacts} ErrorFacts */

/** The label of clips that show none of the actions. */
export const NONE = "none";

const LARGEST = 2 ** 30; // the server's limit; it closes the connection of a larger upload

/** A random id. Not by `crypto.randomUUID`: only secure contexts have it, not every address of a computer. */
export const newId = () =>
  [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const tab = newId();

class Refused extends Error {
  /** @param {ErrorFacts | undefined} error */
  constructor(error) {
    super(error?.what ?? error?.key ?? "failed");
    this.error = error;
  }
}

async function answer(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Refused({ key: "offline" });
  }
  const content = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(content?.error);
  if (!content) throw new Refused({ key: "offline" }); // the answer was cut off
  return content;
}

/** Refuse a file that is too large or not there any more: sending it would fail as if the program did not answer. */
async function check(file) {
  if (file.size > LARGEST) throw new Refused({ key: "too_large" });
  const reader = file.stream().getReader(); // not of a slice: for Chromium, the size of a file that is gone is 0
  try {
    await reader.read();
  } catch {
    throw new Refused({ key: "unreadable" });
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Headers of a change. Browsers send a request again if the connection is lost; the server knows it by its id. */
const headersOf = (type, id = newId()) => ({ "content-type": type, "x-tab": tab, "x-request": id });

/** Teach a clip that was just labelled; where more actions are needed, the page says so anyway. */
export const teachIt = () =>
  post("/api/teach").catch((refused) => {
    if (refused.error?.key !== "needs_two") throw refused;
  });

/** Send a JSON body, and return the JSON answer. */
export const post = (path, body = {}) =>
  answer(fetch(path, {
    method: "POST", headers: headersOf("application/json"), body: JSON.stringify(body),
  }));

/** Send a file, and return the JSON answer; `progress` gets the fraction that is sent, which `fetch` does not know. */
const send = (path, headers, file, progress) =>
  answer(new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(loaded / total));
    request.addEventListener("load", () => done({ ok: request.status < 300, json: async () => JSON.parse(request.responseText) }));
    request.addEventListener("error", fail);
    request.send(file);
  }));

let uploads = 0;

/** Whether a clip is being sent: it would be lost with the page. */
export const isUploading = () => uploads > 0;

/**
 * Send a clip; `facts` are its name, label, number of pieces, and the batch that is undone as one.
 * A clip that is sent again with the same `id` is added once.
 */
export async function upload(blob, facts, id = newId(), progress = () => {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(facts)) if (value != null) query.set(name, value);
  uploads += 1;
  try {
    await check(blob);
    return await send(`/api/clips?${query}`, headersOf("application/octet-stream", id), blob, progress);
  } finally {
    uploads -= 1;
  }
}

/** Send a model file, which replaces the model. */
export async function sendModel(file, progress) {
  await check(file);
  return send(`/api/import?${new URLSearchParams({ name: file.name })}`, headersOf("application/octet-stream"), file, progress);
}

/**
 * Send a frame of the camera: RGBA pixels; `facts` say its size, time and stream.
 * @param {Uint8ClampedArray} pixels
 * @param {Record<string, any>} facts
 * @returns {Promise<import("./types").LiveFacts>}
 */
export const look = (pixels, facts) =>
  answer(fetch(`/api/live?${new URLSearchParams(facts)}`, {
    method: "POST", headers: { "content-type": "application/octet-stream", "x-tab": tab }, body: pixels,
  }));

/**
 * Call `show` with each new state, for as long as the page is open, and `failed` with an error or null.
 * @param {(state: PageFacts) => void} show
 * @param {(error: ErrorFacts | null) => void} failed
 */
export async function follow(show, failed) {
  let version = "";
  for (;;) {
    if (document.hidden) {
      // A hidden tab keeps no connection: browsers allow few.
      await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
      continue;
    }
    try {
      /** @type {PageFacts} */
      const state = await answer(fetch(`/api/state?after=${version}`, { signal: /** @type {any} */ (AbortSignal).timeout(60_000) }));
      failed(null);
      version = String(state.version);
      show(state);
      await pause(80);
    } catch (refused) {
      failed(refused.error ?? { key: "offline" });
      version = "";
      await pause(1500);
    }
  }
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
