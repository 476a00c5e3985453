// @ts-check
// Dialogs that play clips, and mark and correct segments of recordings.

import { NONE, post, teachIt } from "./api.js";
import { boxEditor, showMarks, stageOf } from "./box.js";
import { text } from "./texts.js";
import { attempt, h, sync, titleOf, toast } from "./view.js";

/** Play a clip, or a segment of one, with the boxes of its subjects; a training clip can get a box around who is meant. */
export function play(clip) {
  const film = player(clip, clip.start, clip.end, clip.subjects);
  if (clip.label == null || clip.binned) return void openDialog(clip.name, film);
  const who = boxEditor(film.firstChild, clip, clip.box);
  const form = h("form", { class: "who-form" }, who.element, h("button", { type: "submit", class: "primary" }, text("box_save")));
  const dialog = openDialog(clip.name, film, form);
  form.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    const box = who.value();
    if (String(box) !== String(clip.box) && !await attempt(() => post("/api/clips/box", { ids: [clip.id], box }))) return;
    dialog.close();
    if (String(box) !== String(clip.box)) toast(text(box ? "box_saved" : "box_cleared", { name: clip.name }));
  });
}

/** Correct an event of a recording or the answer for a subject, or mark a new one: `event` has its start, end, label and box, or nothing. */
export function editSegment(clip, event) {
  const start = seconds(event.start ?? 0);
  const end = seconds(event.end ?? Math.min(clip.seconds, 2));
  const choice = labelChoice(clip.classes, "segment-label", event.label);
  const film = player(clip, event.start, event.end);
  const video = film.querySelector("video");
  const now = (field, words) => h("button", { type: "button", onclick: () => { field.value = video.currentTime.toFixed(1); } }, words);
  const who = boxEditor(film.firstChild, clip, event.box ?? null);
  const times = clip.recording && [
    h("label", {}, text("from"), start), video && now(start, text("from_here")),
    h("label", {}, text("to"), end), video && now(end, text("to_here"))];
  const form = h("form", { class: "segment" }, ...(times || []), who.element,
    h("label", { class: "wide" }, text("shows"), choice),
    h("button", { type: "submit", class: "primary wide" }, text("correct")));
  const dialog = openDialog(text(event.start == null ? "mark" : "correct_event"), film, form);
  form.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    const body = { start: Number(start.value), end: Number(end.value), label: choice.value, box: who.value() };
    const done = await attempt(async () => {
      await post(`/api/clips/${clip.id}/segment`, body);
      await teachIt();
      return true;
    });
    if (done) {
      dialog.close();
      toast(text("segment_added", { label: choice.selectedOptions[0].textContent }));
    }
  });

  function seconds(value) {
    return h("input", { type: "number", min: "0", max: String(Math.ceil(clip.seconds)), step: "any", required: true, value: value.toFixed(2) });
  }
}

/** The choice of an action, or of anything else; `label` is chosen until the user chooses. */
export function labelChoice(classes, id, label) {
  const choice = h("select", { id, required: true, onchange: () => { choice.dataset.chosen = "yes"; } });
  labelChoice.update(choice, classes, label);
  return choice;
}

labelChoice.update = (choice, classes, label = "") => {
  const value = choice.dataset.chosen ? choice.value : label;
  sync(choice, ["", ...classes, NONE], (name) => name, (name) =>
    h("option", { value: name, hidden: !name }, name ? titleOf(name) : text("choose_action")));
  choice.value = [...choice.options].some((option) => option.value === value) ? value : "";
};

/** A player of a file from `start` to `end` with boxes; its frames where the browser cannot play it. */
function player(clip, start, end, marks = []) {
  const video = h("video", { src: `/media/${clip.source}`, controls: true, loop: start == null && end == null, muted: true, playsInline: true });
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.autoplay = true;
  if (start != null || end != null) playPart(video, start ?? 0, end ?? Infinity);
  const stage = stageOf(video, clip.aspect);
  const frame = h("div", { class: "player" }, stage);
  showMarks(stage, clip, marks);
  video.addEventListener("error", () => {
    video.remove(); // boxes can be drawn on its first frame
    stage.style.backgroundImage = `url(/strip/${clip.source})`;
    stage.style.backgroundSize = `${100 * clip.frames}% 100%`;
    frame.append(h("img", { class: "sheet", src: `/strip/${clip.source}`, alt: clip.name }));
  });
  return frame;
}

/**
 * Begin a video at `start` as soon as that is loaded, and pause it at `end`, once: the user may go on.
 * The address could name the times, but Firefox ignores them in files without an index, which
 * MediaRecorder writes.
 */
function playPart(video, start, end) {
  const done = new AbortController();
  let begun = start === 0;
  const follow = () => {
    const last = video.seekable.length - 1;
    if (!begun && last >= 0 && video.seekable.end(last) >= start) {
      begun = true;
      video.currentTime = start;
    } else if (begun && video.currentTime >= end) {
      video.pause();
      done.abort();
    }
  };
  for (const name of ["loadedmetadata", "durationchange", "progress", "suspend", "timeupdate"]) video.addEventListener(name, follow, { signal: done.signal });
}

/** Open a dialog; it is removed when it is closed. */
export function openDialog(title, ...content) {
  const dialog = dialogOf(title, content);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Open a dialog in the page, below an element: the rest of the page can be used meanwhile. */
export function openBelow(element, title, ...content) {
  const dialog = dialogOf(title, content);
  dialog.classList.add("inline");
  dialog.addEventListener("keydown", (event) => event.key === "Escape" && dialog.close());
  element.after(dialog);
  dialog.show();
  return dialog;
}

function dialogOf(title, content) {
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const dialog = h("dialog", { "aria-labelledby": id },
    h("div", { class: "dialog-head" },
      h("h2", { id, dir: "auto" }, title),
      h("button", { class: "quiet", type: "button", onclick: () => dialog.close() }, text("close"))),
    ...content);
  dialog.addEventListener("close", () => {
    document.body.append(document.getElementById("toasts")); // messages may have been shown in it
    dialog.remove();
  });
  return dialog;
}
