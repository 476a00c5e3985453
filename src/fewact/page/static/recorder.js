// Recording clips with the camera, by MediaRecorder.

import { newId, pause, upload } from "./api.js";
import { openCamera } from "./camera.js";
import { openDialog } from "./player.js";
import { text } from "./texts.js";
import { failureText, h, setText, toast } from "./view.js";

const LONGEST = 10_000;
const ELSE = 20_000;
const COUNTDOWN = 3;
const SAVED_LATER = ["offline", "cut_off", "too_slow", "token"]; // errors after which the same clip can be saved

let unsaved = 0;

/** Whether a recorded clip waits to be saved: it would be lost with the page. */
export const isUnsaved = () => unsaved > 0;

/**
 * Record clips for an action, or one to try (`label` null); `saved` gets the ids of each. `pieces` is
 * the number of equal parts that become a clip each, fewer if the recording is stopped early.
 */
export async function record({ label, pieces = 1, saved = () => {} }) {
  const isElse = pieces > 1;
  const title = isElse ? text("recorder_else") : label == null ? text("recorder_try") : text("recorder_title", { name: label });
  const count = h("p", { class: "countdown", "aria-live": "assertive" });
  const button = h("button", { class: "primary", type: "button", disabled: true }, text("start"));
  const hint = text(isElse ? "recorder_else_hint" : "recorder_hint");
  const camera = await openCamera(openDialog, title, hint, count, h("div", { class: "row" }, button));
  if (!camera) return;
  const { dialog, status, stream } = camera;
  button.disabled = false;
  button.focus();

  let taken = 0;
  let stop = null;
  let again = null; // saves the clip that could not be saved
  const keep = (save) => {
    unsaved += Boolean(save) - Boolean(again);
    again = save;
  };
  dialog.addEventListener("close", () => keep(null));
  button.addEventListener("click", async () => {
    if (stop) return stop();
    if (again) return again();
    if (!stream.active) return; // the dialog says that the camera is lost
    button.disabled = true;
    for (let left = COUNTDOWN; left > 0 && dialog.open; left--) {
      setText(count, String(left));
      await pause(700);
    }
    if (!dialog.open) return;
    setText(count, "");
    button.disabled = false;
    if (!stream.active) return;
    dialog.classList.add("live");
    setText(status, text("recording"));
    setText(button, text("stop"));
    const begun = performance.now();
    const clip = await take(stream, isElse ? ELSE : LONGEST, (halt) => { stop = halt; }, (left) => {
      if (isElse) setText(count, String(left));
    });
    const length = performance.now() - begun;
    stop = null;
    if (!dialog.open) return; // closing it cancels the recording
    dialog.classList.remove("live");
    setText(count, "");
    const parts = Math.max(1, Math.round((pieces * length) / ELSE));
    await save(clip, { name: nameOf(clip), label, pieces: parts }, newId());
  });

  async function save(clip, facts, id) {
    setText(status, text("saving"));
    button.disabled = true;
    let added = [];
    try {
      added = (await upload(clip, facts, id)).ids;
      taken += 1;
      keep(null);
    } catch (refused) {
      toast(failureText(refused), true);
      const isLater = dialog.open && SAVED_LATER.includes(refused.error?.key);
      keep(isLater ? () => save(clip, facts, id) : null);
    }
    const words = text("saved_clips", { n: taken });
    setText(status, again ? text("not_saved") : stream.active ? words : `${words}. ${text("camera_lost")}`);
    setText(button, text(again ? "save_again" : "start"));
    button.disabled = false;
    button.focus();
    if (!again && (label == null || isElse)) dialog.close();
    if (added.length) saved(added);
  }
}

/** The name of a recorded clip: the local date and time, in characters that every system has in names. */
function nameOf(clip) {
  const now = new Date();
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString();
  const time = local.slice(0, 19).replace("T", " ").replaceAll(":", ".");
  return `${text("camera_clip", { time })}.${clip.type.includes("mp4") ? "mp4" : "webm"}`;
}

/** Record until `halt` is called or time is over; returns the clip. */
async function take(stream, longest, started, tick) {
  const type = ["video/webm;codecs=vp8", "video/webm", "video/mp4"].find((one) => MediaRecorder.isTypeSupported(one));
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 2_500_000 });
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const stopped = new Promise((done) => recorder.addEventListener("stop", done));
  const halt = () => recorder.state !== "inactive" && recorder.stop();
  stream.getTracks().forEach((track) => track.addEventListener("ended", halt));
  recorder.start();
  started(halt);
  const begun = performance.now();
  const timer = setInterval(() => {
    const left = longest - (performance.now() - begun);
    tick(Math.max(0, Math.ceil(left / 1000)));
    if (left <= 0) halt();
  }, 200);
  await stopped;
  clearInterval(timer);
  return new Blob(parts, { type: recorder.mimeType });
}
