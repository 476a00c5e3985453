// @ts-check
// Boxes on a player: where subjects are, and a box around who is meant.

import { text } from "./texts.js";
import { h, sync } from "./view.js";

const FIELDS = ["box_left", "box_top", "box_width", "box_height"];
const STEP = 0.02; // of the picture, by an arrow key
const LEAST = 0.02; // of the picture: what is shorter was a click

/** A video with the boxes of subjects over it; as large as `aspect`, its width over its height, lets it be. */
export function stageOf(video, aspect) {
  const stage = h("div", { class: "stage" }, video, h("div", { class: "marks" }));
  stage.style.setProperty("--aspect", aspect);
  return stage;
}

/** Show boxes on a stage: each of `marks` has a `box` in pixels, a `name` and the `hue` of an action. */
export function showMarks(stage, clip, marks) {
  sync(stage.querySelector(".marks"), marks.filter(({ box }) => box), ({ name, box }) => `${name} ${box}`, ({ name, box, hue = "hue" }) => {
    const mark = h("div", { class: `mark ${hue}` }, name && h("span", { dir: "auto" }, name));
    place(mark, inParts(box, sizeOf(stage, clip)));
    return mark;
  });
}

/**
 * Width and height of the picture, in pixels: of the file, or of what the browser plays.
 * @returns {[number, number]}
 */
function sizeOf(stage, { aspect, height }) {
  const video = stage.querySelector("video");
  return height ? [Math.round(aspect * height), height] : [video?.videoWidth || aspect, video?.videoHeight || 1];
}

const inParts = ([x, y, w, h], [width, height]) => [x / width, y / height, w / width, h / height];

function place(mark, parts) {
  ["left", "top", "width", "height"].forEach((side, i) => { mark.style[side] = `${100 * parts[i]}%`; });
}

/**
 * What says who is meant: a button to draw a box on a stage, and its sides as numbers.
 * `element` has both; `value` returns the box in pixels, or null.
 */
export function boxEditor(stage, clip, box) {
  const marks = stage.querySelector(".marks");
  const video = stage.querySelector("video");
  const mark = h("div", { class: "mark own", role: "group", tabindex: "0", "aria-label": text("box_keys") });
  const fields = FIELDS.map((key) => h("input", { type: "number", step: "any", min: key === "box_left" || key === "box_top" ? "0" : "1", oninput: () => show(read()) }));
  const draw = h("button", { type: "button", onclick: () => begin() }, text(box ? "box_again" : "box_draw"));
  const clear = h("button", { class: "quiet", type: "button", onclick: () => { end(); set(null); draw.focus(); } }, text("box_clear"));
  const numbers = h("div", { class: "sides" }, ...fields.map((field, i) => h("label", {}, text(FIELDS[i]), field)));
  const hint = h("p", { class: "hint", role: "status" });
  const element = h("div", { class: "who" }, hint, h("div", { class: "row" }, draw, clear), numbers);
  marks.append(mark);

  const read = () => (fields.some((field) => field.value === "" || !field.validity.valid) ? null : fields.map((field) => Number(field.value)));
  const size = () => sizeOf(stage, clip);

  /** Show a box in pixels, or none. */
  function show(shown) {
    mark.hidden = !shown;
    if (shown) place(mark, inParts(shown, size()));
  }

  function set(next) {
    const [width, height] = size();
    if (next) {
      const [x, y] = [Math.max(0, Math.round(next[0])), Math.max(0, Math.round(next[1]))];
      next = [x, y, Math.min(width - x, Math.round(next[2])), Math.min(height - y, Math.round(next[3]))];
    }
    fields.forEach((field, i) => { field.value = next ? String(next[i]) : ""; });
    numbers.hidden = clear.hidden = !next;
    draw.textContent = text(next ? "box_again" : "box_draw");
    hint.textContent = text(next ? "box_is" : "box_hint");
    show(next);
  }

  /** Wait for a box to be drawn; for keys there is one at once. */
  function begin() {
    const [width, height] = size();
    if (!read()) set([width / 4, height / 8, width / 2, (3 * height) / 4]);
    video?.pause();
    if (video) video.controls = false;
    hint.textContent = text("box_drawing");
    marks.classList.add("drawing");
    mark.focus();
  }

  function end() {
    marks.classList.remove("drawing");
    if (video) video.controls = true;
  }

  marks.addEventListener("pointerdown", (down) => {
    if (!marks.classList.contains("drawing") || down.button) return;
    down.preventDefault();
    marks.setPointerCapture(down.pointerId);
    const { left, top, width, height } = marks.getBoundingClientRect();
    const at = (event) => [(event.clientX - left) / width, (event.clientY - top) / height].map((part) => Math.min(1, Math.max(0, part)));
    const [x, y] = at(down);
    const done = new AbortController();
    const drawn = (event) => {
      const [nowX, nowY] = at(event);
      const [wide, high] = size();
      const [partX, partY] = [Math.abs(nowX - x), Math.abs(nowY - y)];
      if (Math.min(partX, partY) >= LEAST) set([Math.min(x, nowX) * wide, Math.min(y, nowY) * high, partX * wide, partY * high]);
      return Math.min(partX, partY) >= LEAST;
    };
    const up = (event) => {
      done.abort();
      if (event.type === "pointerup" && drawn(event)) end();
    };
    marks.addEventListener("pointermove", drawn, { signal: done.signal });
    for (const name of ["pointerup", "pointercancel"]) marks.addEventListener(name, up, { signal: done.signal });
  });

  mark.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    const now = read();
    if (!now || !(dx || dy)) return;
    event.preventDefault();
    const [width, height] = size();
    const from = event.shiftKey ? 2 : 0;
    now[from] += dx * STEP * width;
    now[from + 1] += dy * STEP * height;
    const [least, lowest] = event.shiftKey ? [1, 1] : [0, 0];
    now[from] = Math.min(Math.max(least, now[from]), width - now[2 - from]);
    now[from + 1] = Math.min(Math.max(lowest, now[from + 1]), height - now[3 - from]);
    set(now);
  });

  set(box);
  return { element, value: read };
}
