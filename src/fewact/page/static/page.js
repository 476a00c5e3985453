// @ts-check
// The page: shows each state of the server, and connects the buttons.

import { follow, isUploading, post, sendModel } from "./api.js";
import { showAnswers, tryClips, tryFiles } from "./answers.js";
import { addToActions, showCards } from "./cards.js";
import { droppable } from "./drop.js";
import { watchCamera } from "./live.js";
import { hasRecorded, isUnsaved, record } from "./recorder.js";
import { errorText, stepText, text } from "./texts.js";
import { attempt, chooseFiles, h, keepFocus, setText, showProgress, sync, thumbnail, toast } from "./view.js";

/** @type {(id: string) => any} */
const $ = (id) => document.getElementById(id);
/** @type {import("./types").PageFacts} */
let state = null;
let last = null;

/** @param {import("./types").PageFacts} next */
function show(next) {
  if (state && next.changed_by_command > state.changed_by_command) toast(text("changed_by_command"));
  // Who taught by the camera sees at once what was learned.
  if (state && !state.model && next.model && hasRecorded()) watchCamera($("try-drop"), () => state);
  state = next;
  showCards($("cards"), state);
  $("examples").hidden = Object.keys(state.clips).length > 0;
  showTeaching();
  showAnswers($("answers"), state);
  showBin();
  $("report").hidden = $("export").hidden = !state.model;
  const undo = $("undo");
  undo.disabled = !state.undo;
  const words = state.undo ? text("undo_what", { what: stepText(state.undo) }) : text("undo");
  undo.title = words;
  undo.setAttribute("aria-label", words);
  document.documentElement.dataset.ready = "yes";
}

function showTeaching() {
  const job = state.jobs.filter((one) => one.kind === "teach").at(-1);
  const open = state.jobs.filter((one) => one.kind === "open").at(-1);
  const busy = job && ["waiting", "running"].includes(job.state);
  const labels = new Set(Object.values(state.clips).filter((clip) => !clip.binned && clip.label).map((clip) => clip.label));
  const progress = $("teach-progress");
  progress.hidden = !busy;
  if (busy && job.total) {
    progress.max = job.total;
    progress.value = job.done;
  } else progress.removeAttribute("value");
  $("cancel").hidden = !busy;
  $("cancel").onclick = () => attempt(() => post(`/api/jobs/${job.id}/cancel`));
  $("teach").disabled = Boolean(busy) || labels.size < 2 || !state.changes;
  const idle = Boolean(state.model) && !state.changes && !busy;
  $("teach").hidden = idle;
  $("teach-bar").classList.toggle("idle", idle || (!busy && labels.size < 2));
  setText($("teach"), text(state.model ? "teach_again" : "teach"));
  setText($("teach-status"), teachText({ job, busy, open, enough: labels.size >= 2 }));
  const now = job ? job.id + job.state : "";
  if (last !== null && now !== last) {
    if (job.state === "cancelled") toast(text("cancelled"));
    if (job.state === "failed") toast(errorText(job.error), true);
  }
  last = now;
  $("review").hidden = !state.model;
  const sentences = state.model ? [...new Set([state.model.summary, ...state.advice])] : [];
  sync($("review-short"), sentences, String, (one) => h("p", {}, one));
  sync($("review-details"), state.model?.details ?? [], String, (one) => h("li", {}, one));
}

function teachText({ job, busy, open, enough }) {
  if (busy) return job.total ? text("teaching_of", job) : text("teaching");
  if (open?.state === "failed" && !state.model) return text("cannot_open", { error: errorText(open.error) });
  if (!enough) return errorText({ key: "needs_two" });
  if (state.changes) return text("ready_to_teach", { n: state.changes });
  return ["waiting", "running"].includes(open?.state) ? text("opening") : text("all_taught");
}

function showBin() {
  const binned = Object.entries(state.clips).filter(([, clip]) => clip.binned).map(([id, clip]) => ({ id, ...clip }));
  $("bin").hidden = !binned.length;
  setText($("bin-title"), text("bin_title", { n: binned.length }));
  sync($("bin-list"), binned, (clip) => clip.id, (clip) =>
    h("li", {}, thumbnail(clip, ""), h("p", { class: "file" }, h("bdi", {}, clip.name)),
      h("button", {
        type: "button", "aria-label": text("restore_clip", { name: clip.name }),
        onclick: () => attempt(() => post("/api/clips/restore", { ids: [clip.id] })),
      }, text("restore")),
      h("button", {
        class: "quiet danger", type: "button", "aria-label": text("forget_clip", { name: clip.name }),
        onclick: () => confirm(text("forget_sure", { name: clip.name })) && attempt(() => post("/api/clips/forget", { ids: [clip.id] })),
      }, text("forget"))));
}

$("undo").addEventListener("click", () => attempt(async () => {
  const { undone } = await post("/api/undo"); // another tab may have changed what is undone
  toast(text("undone", { what: stepText(undone) }));
}));
$("teach").addEventListener("click", () => attempt(() => post("/api/teach")));
$("try-files").addEventListener("click", () => chooseFiles(tryFiles));
$("try-record").addEventListener("click", () => record({ label: null, saved: tryClips }));
$("import").addEventListener("click", () => chooseFiles(([file]) => attempt(async () => {
  await showProgress((progress) => sendModel(file, (sent) => progress(text("importing", { name: file.name }), sent)));
  toast(text("imported", { name: file.name }));
}), ".safetensors"));
$("try-live").addEventListener("click", () => watchCamera($("try-drop"), () => state));
droppable($("try-drop"), tryFiles);
droppable(document.body, addToActions); // and no file that is dropped replaces the page
// Files that were not sent yet are gone with the page: the browser asks first.
window.addEventListener("beforeunload", (event) => (isUploading() || isUnsaved()) && event.preventDefault());
document.addEventListener("keydown", (event) => {
  const typing = /** @type {Element} */ (event.target).closest("input, select, textarea") || document.querySelector("dialog:modal");
  // Of layouts without Latin letters the place of the key counts; caps lock makes it "Z".
  const isZ = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() === "z" : event.code === "KeyZ";
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && isZ && !typing && !$("undo").disabled) {
    event.preventDefault(); // the browser would undo what was typed last, and go to its field
    if (!event.repeat) $("undo").click(); // a key that is held would undo all, and nothing brings that back
  }
});

follow((next) => keepFocus(() => show(next)), (error) => {
  $("offline").hidden = !error;
  if (error) setText($("offline"), error.key === "offline" ? text("offline") : errorText(error));
});
