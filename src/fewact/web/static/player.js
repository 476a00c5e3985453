// A clip in a dialog.

import { text } from "./texts.js";
import { h } from "./view.js";

/** Play a clip, or a segment of one. */
export function play(clip) {
  const range = clip.start == null && clip.end == null ? "" : `#t=${clip.start ?? 0},${clip.end ?? ""}`;
  const video = h("video", { src: `/media/${clip.source}${range}`, controls: true, loop: true, muted: true, playsInline: true });
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.autoplay = true;
  // A browser that cannot play the file shows its frames.
  video.addEventListener("error", () => {
    video.replaceWith(h("img", { class: "film", src: `/strip/${clip.source}`, alt: clip.name }));
  });
  openDialog(clip.name, video);
}

/** Open a dialog; it is removed when it is closed. */
export function openDialog(title, ...content) {
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const dialog = h("dialog", { "aria-labelledby": id },
    h("div", { class: "dialog-head" },
      h("h2", { id, dir: "auto" }, title),
      h("button", { class: "quiet", type: "button", onclick: () => dialog.close() }, text("close"))),
    ...content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
