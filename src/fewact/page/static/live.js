// The camera with the answer on the picture.

import { look, newId, pause } from "./api.js";
import { openCamera } from "./camera.js";
import { openBelow } from "./player.js";
import { clock, errorText, headline, text } from "./texts.js";
import { h, setText } from "./view.js";

const WIDTH = 320;
const LISTED = 6;

/** Open the camera below `element`, and show which action it sees, also while more is taught. */
export async function watchCamera(element) {
  if (element.parentElement.querySelector("dialog.inline")) return;
  const label = h("p", { class: "on-picture", role: "status", dir: "auto" });
  const events = h("ol", { class: "events", "aria-label": text("events") });
  const camera = await openCamera((...content) => openBelow(element, ...content), text("live_title"), text("live_hint"), label, events);
  if (!camera) return;
  const { dialog, status, stream, video } = camera;

  const canvas = new OffscreenCanvas(WIDTH, 1);
  const pencil = canvas.getContext("2d", { willReadFrequently: true });
  let id = newId();
  let begun = performance.now();
  while (dialog.open && stream.active) {
    const started = performance.now();
    let rate = 10;
    try {
      const height = Math.round((WIDTH * video.videoHeight) / video.videoWidth) || 240;
      if (canvas.height !== height) canvas.height = height;
      pencil.drawImage(video, 0, 0, WIDTH, height);
      const pixels = pencil.getImageData(0, 0, WIDTH, height).data;
      const seen = await look(pixels, { stream: id, width: WIDTH, height, time: Math.round(started - begun) });
      rate = seen.rate;
      const { label: action, confidence } = seen.state;
      label.classList.toggle("none", !action);
      setText(label, action ? headline(action, confidence) : text("live_none"));
      for (const event of seen.events) {
        events.prepend(h("li", {}, h("span", { class: "when" }, clock(event.start)), h("span", { dir: "auto" },
          event.repetitions > 1 ? text("count", { name: event.label, n: event.repetitions }) : event.label)));
        while (events.children.length > LISTED) events.lastElementChild.remove();
      }
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
