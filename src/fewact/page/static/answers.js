// New clips and recordings, and what the model says of them.

import { NONE, post, teachIt } from "./api.js";
import { addClips } from "./cards.js";
import { editSegment, labelChoice, play } from "./player.js";
import { clock, errorText, headline, percent, stepText, text } from "./texts.js";
import { ICONS, attempt, h, hueOf, icon, setText, showBars, sync, thumbnail, toast } from "./view.js";

const UNLIKE = "(none)";
const SHOWN = 12;

const isActive = (job) => ["waiting", "running"].includes(job?.state);

/** Show the clips to try, the newest first. */
export function showAnswers(list, state) {
  const isBusyWith = (kind) => state.jobs.some((job) => job.kind === kind && isActive(job));
  const [opening, refreshing] = ["open", "refresh"].map(isBusyWith);
  const items = Object.entries(state.clips)
    .filter(([, clip]) => !clip.binned && clip.label === null)
    .map(([id, clip]) => ({
      id, ...clip, nearest: state.clips[state.results[id]?.nearest], result: state.results[id],
      classes: state.classes, model: state.model, opening, refreshing, job: state.jobs.filter((job) => job.subject === id).at(-1),
    }))
    .reverse();
  sync(list, items, (item) => item.id, (item) => (item.recording ? recording(item) : answer(item)), update);
}

/** Add files to try, and ask what they show. */
export async function tryFiles(files) {
  await tryClips(await addClips(files, null));
}

export async function tryClips(ids) {
  for (const id of ids) await attempt(() => post(`/api/clips/${id}/predict`));
}

function answer(item) {
  const choice = labelChoice(item.classes, `choice-${item.id}`);
  return h("li", { class: "answer", tabindex: "-1" },
    h("button", { class: "bare", type: "button", "aria-label": text("play_clip", { name: item.name }), onclick: () => play(item) }, thumbnail(item, "")),
    h("div", { class: "answer-body" },
      h("p", { class: "file" }, h("bdi", {}, item.name)),
      h("p", { class: "label", role: "status", dir: "auto" }),
      h("button", { class: "again", type: "button", hidden: true, onclick: () => tryClips([item.id]) }, text("try_again")),
      h("p", { class: "nearest", dir: "auto" }),
      h("ul", { class: "faults", "aria-label": text("faults") }),
      h("ul", { class: "bars", "aria-label": text("bars") }),
      h("a", { class: "why", href: `/why/${item.id}`, target: "_blank", hidden: true }, text("why")),
      h("div", { class: "correct" },
        h("button", { class: "right", type: "button", hidden: true }, text("right")),
        h("label", { for: choice.id }),
        h("div", { class: "row" }, choice,
          h("button", {
            type: "button", onclick: () => choice.reportValidity() && teachAs(item, choice.value),
          }, text("correct"))))),
    removeButton(item));
}

/** Make a clip to try one of an action, and teach it; the message says so, and undoes this whatever came after. */
const teachAs = (item, label) => attempt(async () => {
  const relabel = (name) => post("/api/clips/label", { ids: [item.id], label: name });
  await relabel(label);
  toast(text("labelled", { name: item.name, label: label === NONE ? text("else_title") : label }), false, () => attempt(async () => {
    await relabel(null);
    toast(text("undone", { what: stepText({ what: "label", subject: item.name }) }));
  }));
  await teachIt();
});

function recording(item) {
  return h("li", { class: "answer recording", tabindex: "-1" },
    h("p", { class: "file" }, h("bdi", {}, item.name)),
    h("p", { class: "label", role: "status" }),
    h("div", { class: "timeline" },
      filmOf(item),
      h("div", { class: "searched" }),
      h("ol", { class: "spans", "aria-hidden": "true" })),
    h("ul", { class: "faults", "aria-label": text("faults") }),
    h("div", { class: "times" }, h("span", {}, clock(0)), h("span", {}, clock(item.seconds))),
    h("ul", { class: "counts", "aria-label": text("counts") }),
    h("ol", { class: "events", "aria-label": text("events") }),
    h("div", { class: "row" },
      h("button", { class: "again", type: "button", onclick: () => tryClips([item.id]) }, text("search_again")),
      h("button", { type: "button", onclick: () => editSegment(item, {}) }, text("mark")),
      h("button", { class: "cancel", type: "button", hidden: true }, text("cancel_search"))),
    removeButton(item));
}

/** Some frames of a recording side by side. */
function filmOf(item) {
  return h("div", { class: "film", "aria-hidden": "true" }, ...Array.from({ length: SHOWN }, (_, i) => {
    const frame = Math.min(item.frames - 1, Math.floor(((i + 0.5) * item.frames) / SHOWN));
    const part = h("div");
    part.style.backgroundImage = `url(/strip/${item.source})`;
    part.style.backgroundSize = `${100 * item.frames}% 100%`;
    part.style.backgroundPositionX = `${(100 * frame) / (item.frames - 1)}%`;
    part.style.aspectRatio = item.aspect;
    return part;
  }));
}

function removeButton(item) {
  return h("button", {
    type: "button", class: "quiet icon away", "aria-label": text("remove_answer", { name: item.name }),
    onclick: () => attempt(() => post("/api/clips/remove", { ids: [item.id] })),
  }, icon(ICONS.remove));
}

function update(element, item) {
  const { result, job } = item;
  element.classList.toggle("unlike", result?.label === UNLIKE);
  element.classList.toggle("busy", isActive(job) || isPending(item));
  element.classList.toggle("old", isOld(item));
  setText(element.querySelector(".label"), item.recording ? searchText(item) : answerText(item));
  sync(element.querySelector(".faults"), result?.faults ?? [], String, (fault) => h("li", {}, fault));
  if (item.recording) updateRecording(element, item);
  else updateAnswer(element, item);
}

/** Whether a result is that of a former model, or there is none. */
const isOld = ({ result, model }) => result?.model !== model?.id;

/** Whether a short clip will be tried with the model without being asked for. */
const isPending = (item) => !item.recording && item.refreshing && isOld(item);

function updateAnswer(element, item) {
  const { result, nearest, classes, job } = item;
  element.querySelector(".again").hidden =
    !item.model || isActive(job) || isPending(item) || !(isOld(item) || result.error);
  element.querySelector(".why").hidden = !result?.probabilities;
  const label = isOld(item) || result?.error ? null : result?.label === UNLIKE ? NONE : result?.label;
  const right = element.querySelector(".right");
  right.hidden = label == null;
  right.onclick = () => teachAs(item, label);
  setText(element.querySelector(".correct label"), text(label == null ? "correct_as" : "wrong"));
  setText(element.querySelector(".nearest"), nearest ? text("nearest", { name: nearest.name }) : "");
  const ranked = Object.entries(result?.probabilities ?? {}).sort((a, b) => b[1] - a[1]).slice(0, 5);
  showBars(element.querySelector(".bars"), classes, ranked);
  labelChoice.update(element.querySelector("select"), classes);
}

function updateRecording(element, item) {
  element.querySelector(".again").disabled = isActive(item.job);
  const cancel = element.querySelector(".cancel");
  cancel.hidden = !isActive(item.job);
  cancel.onclick = () => attempt(() => post(`/api/jobs/${item.job.id}/cancel`));
  const events = item.result?.events ?? [];
  const share = (seconds) => `${(100 * seconds) / item.seconds}%`;
  const key = (event) => `${event.label} ${event.start} ${event.end}`;
  const colour = (event) => hueOf(item.classes, event.label);
  element.querySelector(".searched").style.inlineSize = share(item.result?.ended ? item.seconds : item.result?.time ?? 0);
  sync(element.querySelector(".spans"), events, key, (event) => {
    const span = h("li", { class: colour(event), onclick: () => editSegment(item, event) });
    span.style.insetInlineStart = share(event.start);
    span.style.inlineSize = share(event.end - event.start);
    return span;
  });
  sync(element.querySelector(".counts"), Object.entries(item.result?.counts ?? {}), String, ([name, n]) =>
    h("li", { class: colour({ label: name }), dir: "auto" }, text("count", { name, n })));
  sync(element.querySelector(".events"), events, key, (event) =>
    h("li", {}, h("button", { type: "button", class: colour(event), onclick: () => editSegment(item, event) },
      h("span", { class: "when" }, `${clock(event.start)}–${clock(event.end)}`),
      h("span", { dir: "auto" }, event.repetitions > 1 ? text("count", { name: event.label, n: event.repetitions }) : event.label),
      h("span", { class: "value" }, `${percent(event.confidence)} %`))));
}

function answerText(item) {
  const { result, job, model } = item;
  if (!model) return waitingForModel(item);
  if (job?.state === "running") return text("predicting");
  if (isActive(job) || isPending(item)) return text("waiting");
  if (isOld(item)) {
    if (job?.state === "failed") return errorText(job.error);
    return text(result ? "answer_is_old" : "not_tried");
  }
  if (result.error) return errorText(result.error);
  if (result.label === UNLIKE) return text("answer_none");
  return headline(result.label, result.probability);
}

function searchText(item) {
  const { result, job, model } = item;
  if (!model) return waitingForModel(item);
  if (job?.state === "running") return text("searching", { percent: percent(job.done / (job.total || 1)) });
  if (job?.state === "waiting") return text("waiting");
  if (job?.state === "failed") return errorText(job.error);
  if (!result) return text("not_searched");
  if (isOld(item)) return text("search_is_old");
  if (!result.ended) return text("search_cancelled", { n: result.events.length });
  if (!result.events.length && !model.none) return text("found_without_else");
  return text("found", { n: result.events.length });
}

const waitingForModel = ({ opening }) => text(opening ? "opening" : "waiting_for_model");
