// @ts-check
// Making and updating elements.

import { NONE } from "./api.js";
import { errorText, percent, text } from "./texts.js";

const MOST_ERRORS = 5; // that are shown

/** Suffixes of the files that are videos, which the server put into the page. */
export const VIDEOS = document.body.dataset.videos.split(" ");

/**
 * An element with properties, listeners (on…) and children.
 * @param {string} tag
 * @param {Record<string, any>} properties
 * @param {...(Node | string | null | undefined)} children
 * @returns {any} the element; which one it is, only `tag` says
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** An icon of one path. */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const ICONS = {
  remove: "M6 6l12 12M18 6 6 18",
  camera: "M4 7h10a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2Zm12 4 6-3v8l-6-3",
  add: "M12 5v14M5 12h14",
  move: "M5 12h14m-5-5 5 5-5 5",
  undo: "M9 7 4 12l5 5M4.5 12H15a5 5 0 0 1 0 10h-3",
  file: "M12 16V4m0 0L7 9m5-5 5 5M4 20h16",
};

/** Make the children of a list those of `items`: an element whose key is still there is kept. */
export function sync(list, items, key, create, update) {
  const focus = focusIn(list);
  const keys = new Set(items.map((item) => String(key(item))));
  const before = new Map();
  for (const child of [...list.children]) {
    const id = child.dataset.key;
    if (keys.has(id) && !before.has(id)) before.set(id, child);
    else child.remove();
  }
  let place = list.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    let element = before.get(id);
    before.delete(id);
    if (!element) {
      element = create(item);
      element.dataset.key = id;
    }
    update?.(element, item);
    // Moving an element takes its focus away, so that only new and moved ones are moved.
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
  if (focus && document.activeElement === document.body) refocus(list, focus);
}

/** @type {(element: Element) => any[]} */
const controls = (element) => [...element.querySelectorAll("a[href], button:enabled, input, select")].filter((one) => /** @type {any} */ (one).checkVisibility());

/** The control of a list that has the focus, and where it is: in which child, and after how many of its sort. */
function focusIn(list) {
  const control = document.activeElement;
  const child = [...list.children].find((one) => one !== control && one.contains(control));
  if (!child) return null;
  return { control, index: [...list.children].indexOf(child), nth: alike(child, control).indexOf(control) };
}

const alike = (child, control) =>
  controls(child).filter((one) => one.localName === control.localName && one.className === control.className);

/** Keep the focus near a control that was moved or removed: on that of the next child, or on what follows the list. */
function refocus(list, { control, index, nth }) {
  const child = list.children[Math.min(index, list.children.length - 1)];
  const next = [
    control.isConnected ? control : null,
    ...(child ? [alike(child, control)[nth], controls(child)[0]] : []),
    list.parentElement.querySelector(":scope > ul ~ .row button:enabled"),
  ].find(Boolean);
  if (next) next.focus();
  else list.closest("[tabindex]")?.focus({ preventScroll: true });
}

/** Call `show`; the focus of a control that it disables or hides goes to the part of the page around it. */
export function keepFocus(show) {
  /** @type {any} */
  const control = document.activeElement;
  /** @type {HTMLElement | null} */
  const part = control.closest("[tabindex]");
  show();
  const isLost = [control, document.body].includes(document.activeElement) && (control.matches(":disabled") || !control.checkVisibility());
  if (isLost) part?.focus({ preventScroll: true });
}

const HUES = 8; // of base.css

/** The class of the hue of an action, the same wherever it is shown; also of those that have no card any more. */
export const hueOf = (classes, name) => (classes.includes(name) ? `hue c${classes.indexOf(name) % HUES}` : "hue");

/** The name of an action, or what the page calls all others. */
export const titleOf = (name) => (name === NONE ? text("else_title") : name);

/** Show a bar in its hue for each pair of an action and its probability. */
export function showBars(list, classes, shares) {
  const bar = ([name]) =>
    h("li", { class: "bar" }, h("span", { class: "bar-name", dir: "auto" }, titleOf(name)), h("span", { class: "bar-line" }), h("span", { class: "value" }));
  sync(list, shares, ([name]) => name, bar, (row, [name, share]) => {
    row.className = `bar ${hueOf(classes, name)}`;
    row.style.setProperty("--share", `${100 * share}%`);
    setText(row.querySelector(".value"), `${percent(share)} %`);
  });
}

/** Set the text of an element if it is another one: screen readers read what changes. */
export function setText(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/**
 * Show a short message, which can be closed. The next one replaces it, and it goes by itself.
 * An error stays until it is closed: while many files are added, the user may look elsewhere. `undoes`
 * is done by a button of the message, which then stays longer.
 */
export function toast(words, bad = false, undoes = null) {
  let before = null; // what has the focus again when the message is closed
  const close = () => {
    const hasFocus = message.contains(document.activeElement);
    message.remove();
    if (hasFocus) before?.focus({ preventScroll: true });
  };
  const message = h("p", { class: bad ? "toast bad" : "toast said" }, h("span", { dir: "auto" }, words),
    undoes && h("button", { class: "quiet", type: "button", onclick: () => { close(); undoes(); } }, text("undo")),
    h("button", {
      class: "quiet icon", type: "button", "aria-label": text("hide_message"),
      onclick: close, onfocus: (event) => { before = event.relatedTarget; },
    }, icon(ICONS.remove)));
  const toasts = document.getElementById("toasts");
  // An open dialog covers the rest of the page, for screen readers too.
  (document.querySelector("dialog:modal") ?? document.body).append(toasts);
  const shown = [...toasts.querySelectorAll(bad ? ".bad" : ".said")];
  const stay = bad ? shown.filter((one) => one.textContent !== words).slice(1 - MOST_ERRORS) : [];
  for (const one of shown) if (!stay.includes(one)) /** @type {HTMLElement} */ (one.querySelector(".icon")).click();
  toasts.append(message);
  if (!bad) setTimeout(close, undoes ? 20_000 : 5_000);
}

/** Show a message with a bar while `work` goes on, which gets the function that sets its words and its fraction. */
export async function showProgress(work) {
  const words = h("span", { dir: "auto" });
  const bar = h("progress", { max: 1 });
  const message = h("p", { class: "toast working" }, words, bar);
  document.getElementById("toasts").append(message);
  try {
    return await work((what, fraction) => {
      setText(words, what);
      bar.setAttribute("aria-label", what);
      bar.value = fraction;
    });
  } finally {
    message.remove();
  }
}

/** Run an action of the user; say what went wrong. */
export async function attempt(action) {
  try {
    return await action();
  } catch (refused) {
    toast(failureText(refused), true);
    return undefined;
  }
}

/** What an error says. */
export const failureText = (refused) =>
  refused.error ? errorText(refused.error) : `${text("failed")} ${refused.message}`;

/** The looping thumbnail of a clip: its frames side by side, one after another in view. */
export function thumbnail(clip, label) {
  const outer = h("div", label ? { class: "thumb", role: "img", "aria-label": label } : { class: "thumb", "aria-hidden": "true" });
  if (!clip.source) {
    outer.classList.add("empty");
    outer.append(icon(ICONS.file));
    return outer;
  }
  const frames = h("div", { class: clip.aspect > 4 / 3 ? "frames wide" : "frames" });
  const last = clip.frames - 1;
  const at = (seconds) => Math.min(last, Math.round((seconds / clip.seconds) * last));
  const first = clip.start == null ? 0 : at(clip.start);
  const end = clip.end == null ? last : Math.max(first, at(clip.end));
  const share = (frame) => (last ? `${(100 * frame) / last}%` : "0%");
  frames.style.backgroundImage = `url(/strip/${clip.source})`;
  frames.style.backgroundSize = `${100 * clip.frames}% 100%`;
  frames.style.aspectRatio = clip.aspect;
  frames.style.setProperty("--first", share(first));
  frames.style.setProperty("--last", share(end));
  frames.style.setProperty("--middle", share(Math.round((first + end) / 2)));
  frames.style.setProperty("--steps", `steps(${Math.max(2, end - first + 1)}, jump-none)`);
  if (clip.box && clip.height) {
    const [x, y, w, tall] = clip.box;
    const parts = [x / clip.aspect, y, w / clip.aspect, tall].map((side) => `${(100 * side) / clip.height}%`);
    const mark = h("span", { class: "mark own" });
    ["left", "top", "width", "height"].forEach((side, i) => { mark.style[side] = parts[i]; });
    frames.append(mark);
  }
  outer.append(frames);
  return outer;
}

/** Let the user choose files: videos unless `accept` says otherwise. */
export function chooseFiles(take, accept = ["video/*", ...VIDEOS].join()) {
  const input = h("input", { type: "file", accept, multiple: true });
  input.addEventListener("change", () => take([...input.files]));
  input.click();
}
