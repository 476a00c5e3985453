// @ts-check
// Recording clips with the camera, by MediaRecorder: also alone, from where the action is done.

import { newId, pause, post, upload } from "./api.js";
import { openCamera } from "./camera.js";
import { openDialog } from "./player.js";
import { text } from "./texts.js";
import { ICONS, attempt, failureText, h, icon, setText, toast } from "./view.js";

const CHOICES = { delay: [3, 5, 10], seconds: [2, 3, 5, 10], row: [1, 3, 5, 10] };
const ELSE = 20; // seconds of anything else
const BETWEEN = 3; // seconds between clips in a row, at most
const SAVED_LATER = ["offline", "cut_off", "too_slow", "token"]; // errors after which the same clip can be saved
const TONES = { count: 440, begin: 880, end: 330 }; // hertz

const chosen = { delay: 3, seconds: 3, row: 1, sound: true }; // by the user, until the page is closed
let unsaved = 0;
let recorded = 0;

/** Whether clips were recorded since the page was opened. */
export const hasRecorded = () => recorded > 0;

/** Whether a recorded clip waits to be saved: it would be lost with the page. */
export const isUnsaved = () => unsaved > 0;

/**
 * Record clips for an action, or one to try (`label` null); `saved` gets the ids of each. `pieces` is
 * the number of equal parts that become a clip each, fewer if the recording is stopped early.
 */
export async function record({ label, pieces = 1, saved = (ids) => {} }) {
  const isElse = pieces > 1;
  const isOne = isElse || label == null;
  const title = isElse ? text("recorder_else") : label == null ? text("recorder_try") : text("recorder_title", { name: label });
  const count = h("p", { class: "countdown", "aria-live": "assertive" });
  const time = h("p", { class: "time", hidden: true }, h("span"), h("progress", { max: 1, value: 0, "aria-label": text("recording") }));
  const button = h("button", { class: "primary", type: "button", disabled: true }, text("start"));
  const settings = h("fieldset", { class: "row settings" }, setting("delay", text("recorder_delay")),
    isElse ? null : setting("seconds", text("recorder_seconds")), isOne ? null : setting("row", text("recorder_row")), soundSetting());
  const takes = h("ol", { class: "takes", "aria-label": text("takes"), "data-empty": text("takes_none") });
  const camera = await openCamera(openDialog, title, text(isElse ? "recorder_else_hint" : "recorder_hint"),
    h("div", { class: "over" }, count, time), h("div", { class: "row controls" }, settings, button));
  if (!camera) return;
  const { dialog, status, stream } = camera;
  if (!isOne) {
    dialog.classList.add("wide");
    dialog.querySelector(".camera").after(takes);
  }
  button.disabled = false;
  button.focus();

  /** @type {(() => void) | null} */
  let stop = null; // ends the countdown or the recording, and the row
  dialog.addEventListener("close", () => stop?.());
  button.addEventListener("click", async () => {
    if (stop) return stop();
    const retry = takes.querySelector(".again");
    if (retry) return retry.click();
    const rows = isOne ? 1 : chosen.row;
    settings.disabled = true;
    setText(button, text("stop"));
    for (let i = 0; i < rows; i++) {
      if (!await once(i ? Math.min(BETWEEN, chosen.delay) : chosen.delay, [i + 1, rows])) break;
    }
    stop = null;
    settings.disabled = false;
    setText(button, text("start"));
  });

  /** Count down, record a clip, and save it; returns whether the next one may follow. */
  async function once(delay, [number, rows]) {
    let isStopped = false;
    stop = () => { isStopped = true; };
    for (let left = delay; left > 0 && !isStopped && stream.active; left--) {
      setText(count, String(left));
      if (left <= 3) tone("count");
      for (let tenth = 0; tenth < 10 && !isStopped; tenth++) await pause(100);
    }
    setText(count, "");
    if (isStopped || !dialog.open || !stream.active) return false; // the dialog says that the camera is lost
    dialog.classList.add("live");
    setText(status, rows > 1 ? text("recording_of", { number, rows }) : text("recording"));
    tone("begin");
    time.hidden = false;
    const longest = isElse ? ELSE : chosen.seconds;
    const begun = performance.now();
    const clip = await take(stream, 1000 * longest, (halt) => { stop = () => { isStopped = true; halt(); }; }, (passed) => {
      setText(time.firstChild, text("time_of", { passed: (passed / 1000).toFixed(1), longest }));
      time.lastChild.value = passed / 1000 / longest;
    });
    const length = (performance.now() - begun) / 1000;
    tone("end");
    time.hidden = true;
    dialog.classList.remove("live");
    if (!dialog.open) return false; // closing it cancels the recording
    const parts = Math.max(1, Math.round((pieces * length) / ELSE));
    const isSaved = await save({ clip, facts: { name: nameOf(clip), label, pieces: parts }, id: newId(), length });
    return isSaved && !isStopped;
  }

  /** Save a clip, and show it beside the picture; returns whether it is saved. */
  async function save(one, item = takeItem(one)) {
    takes.prepend(item);
    item.querySelector(".again")?.remove();
    button.focus();
    setText(status, text("saving"));
    let error = null;
    try {
      one.ids = (await upload(one.clip, one.facts, one.id)).ids;
    } catch (refused) {
      error = refused;
    }
    if (error) toast(failureText(error), true);
    const isLater = error && dialog.open && SAVED_LATER.includes(error.error?.key);
    if (isLater) offerAgain(one, item);
    else if (error) item.remove();
    else if (isOne) dialog.close();
    else item.append(keepButton(one, say));
    say();
    recorded += Number(Boolean(one.ids));
    if (one.ids) saved(one.ids);
    return !error;
  }

  /** Say how many clips are kept, and what is in the way of more. */
  function say() {
    const words = text("saved_clips", { n: takes.querySelectorAll(".take:not(.thrown, :has(.again))").length });
    setText(status, takes.querySelector(".again") ? text("not_saved") : stream.active ? words : `${words}. ${text("camera_lost")}`);
  }

  /** Keep a clip that could not be saved until it is, or until the dialog is closed. */
  function offerAgain(one, item) {
    const settle = new AbortController();
    const done = () => {
      unsaved -= 1;
      settle.abort();
    };
    unsaved += 1;
    dialog.addEventListener("close", done, { signal: settle.signal });
    item.append(h("button", { class: "again", type: "button", onclick: () => { done(); save(one, item); } }, text("save_again")));
    if (isOne) dialog.querySelector(".camera").after(takes);
  }

  /** A clip as it was recorded, in a loop that a click ends. */
  function takeItem({ clip, length, facts: { name } }) {
    const address = URL.createObjectURL(clip);
    dialog.addEventListener("close", () => URL.revokeObjectURL(address));
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const film = h("video", { class: "mirror", src: address, muted: true, loop: true, playsInline: true, autoplay: !isStill });
    const play = h("button", {
      class: "bare", type: "button", "aria-label": text("play_take", { name }), onclick: () => (film.paused ? film.play() : film.pause()),
    }, film);
    return h("li", { class: "take" }, play, h("span", { class: "length" }, text("seconds", { n: length.toFixed(1) })));
  }
}

/** The button that throws a clip away at a glance, and keeps it again. */
function keepButton({ ids, facts }, changed) {
  const button = h("button", {
    class: "corner icon", type: "button", onclick: () => attempt(async () => {
      const isKept = !button.parentElement.classList.contains("thrown");
      await post(`/api/clips/${isKept ? "remove" : "restore"}`, { ids });
      button.parentElement.classList.toggle("thrown", isKept);
      show(!isKept);
      changed();
    }),
  });
  const show = (isKept) => {
    button.replaceChildren(icon(isKept ? ICONS.remove : ICONS.undo));
    button.title = text(isKept ? "throw_away" : "keep");
    button.setAttribute("aria-label", `${button.title}: ${facts.name}`);
  };
  show(true);
  return button;
}

/** The choice of a number, which is remembered. */
function setting(name, words) {
  const choice = h("select", { onchange: () => { chosen[name] = Number(choice.value); } },
    ...CHOICES[name].map((n) => h("option", { value: String(n), selected: n === chosen[name] }, name === "row" ? String(n) : text("seconds", { n }))));
  return h("label", {}, words, choice);
}

function soundSetting() {
  const box = h("input", { type: "checkbox", checked: chosen.sound, onchange: () => { chosen.sound = box.checked; } });
  return h("label", { class: "check" }, box, text("recorder_sound"));
}

let audio = null;

/** A short tone: who does the action may be far from the screen. */
function tone(name) {
  if (!chosen.sound) return;
  audio ??= new AudioContext();
  const source = new OscillatorNode(audio, { frequency: TONES[name] });
  const volume = new GainNode(audio, { gain: 0.08 });
  source.connect(volume).connect(audio.destination);
  source.start();
  source.stop(audio.currentTime + 0.12);
}

/** The name of a recorded clip: the local date and time, in characters that every system has in names. */
function nameOf(clip) {
  const now = new Date();
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString();
  const time = local.slice(0, 19).replace("T", " ").replaceAll(":", ".");
  return `${text("camera_clip", { time })}.${clip.type.includes("mp4") ? "mp4" : "webm"}`;
}

/** Record until `halt` is called or so many milliseconds are over; returns the clip. */
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
    const passed = performance.now() - begun;
    tick(Math.min(longest, passed));
    if (passed >= longest) halt();
  }, 100);
  await stopped;
  clearInterval(timer);
  return new Blob(parts, { type: recorder.mimeType });
}
