// @ts-check
// The camera with the answer on the picture, and a bar for each action.

import { NONE, look, newId, pause } from "./api.js";
import { openCamera } from "./camera.js";
import { openBelow } from "./player.js";
import { clock, errorText, headline, text } from "./texts.js";
import { h, setText, showBars } from "./view.js";

const WIDTH = 320;
const LISTED = 6;

/**
 * Open the camera below `element`, and show which action it sees, also while more is taught. `current` returns
 * the state of the page: before anything is taught, the camera waits.
 */
export async function watchCamera(element, current) {
  if (element.parentElement.querySelector("dialog.inline")) return;
  const label = h("p", { class: "on-picture", role: "status", dir: "auto" });
  const bars = h("ul", { class: "bars", "aria-label": text("bars") });
  const events = h("ol", { class: "events", "aria-label": text("events") });
  const camera = await openCamera((...content) => openBelow(element, ...content), text("live_title"), text("live_hint"), label, events);
  if (!camera) return;
  const { dialog, status, stream, video } = camera;
  dialog.querySelector(".camera").after(bars);

  const canvas = h("canvas", { width: WIDTH, height: 1 });
  const pencil = canvas.getContext("2d", { willReadFrequently: true });
  let id = newId();
  let begun = performance.now();
  const see = async (started) => {
    const height = Math.round((WIDTH * video.videoHeight) / video.videoWidth) || 240;
    if (canvas.height !== height) canvas.height = height;
    pencil.drawImage(video, 0, 0, WIDTH, height);
    const pixels = pencil.getImageData(0, 0, WIDTH, height).data;
    const seen = await look(pixels, { stream: id, width: WIDTH, height, time: Math.round(started - begun) });
    const shares = seen.probabilities;
    const { classes } = current();
    dialog.classList.toggle("unlike", !seen.label);
    setText(label, seen.label ? headline(seen.label, shares[seen.label]) : text("answer_none"));
    const known = classes.filter((name) => name in shares).map((name) => [name, shares[name]]);
    const rest = known.reduce((left, [, share]) => left - share, 1);
    showBars(bars, classes, known.length ? [...known, [NONE, Math.max(0, rest)]] : []);
    for (const event of seen.events) {
      events.prepend(h("li", {}, h("span", { class: "when" }, clock(event.start)), h("span", { dir: "auto" },
        event.repetitions > 1 ? text("count", { name: event.label, n: event.repetitions }) : event.label)));
      while (events.children.length > LISTED) events.lastElementChild.remove();
    }
    return seen.rate;
  };
  while (dialog.open && stream.active) {
    const started = performance.now();
    let rate = 10;
    try {
      if (current().model) rate = await see(started);
      else setText(label, text("waiting_for_model"));
    } catch (refused) {
      setText(status, errorText(refused.error));
      setText(label, "");
      id = newId(); // the program may have begun again
      begun = performance.now();
      await pause(2000);
    }
    await pause(Math.max(0, 1000 / rate - (performance.now() - started)));
  }
  setText(label, "");
}
