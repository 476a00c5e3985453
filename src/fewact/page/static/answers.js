// @ts-check
// New clips and recordings, and what the model says of them.

import { NONE, post, teachIt } from "./api.js";
import { addClips, moveClip } from "./cards.js";
import { showMarks, stageOf } from "./box.js";
import { draggable } from "./drop.js";
import { editSegment, labelChoice, play } from "./player.js";
import { clock, errorText, headline, percent, text } from "./texts.js";
import { ICONS, attempt, h, hueOf, icon, setText, showBars, sync, thumbnail, titleOf } from "./view.js";

const UNLIKE = "(none)";
const SHOWN = 12;

const isActive = (job) => ["waiting", "running"].includes(job?.state);

/**
 * Show the clips to try, the newest first.
 * @param {HTMLElement} list
 * @param {import("./types").PageFacts} state
 */
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

/** Ask what clips show: `apart` asks for each subject, or not; null as before. */
export async function tryClips(ids, apart = null) {
  for (const id of ids) await attempt(() => post(`/api/clips/${id}/predict${apart == null ? "" : `?apart=${Number(apart)}`}`));
}

function answer(item) {
  const choice = labelChoice(item.classes, `choice-${item.id}`);
  const element = h("li", { class: "answer", tabindex: "-1" },
    h("button", { class: "bare", type: "button", "aria-label": text("play_clip", { name: item.name }) }, thumbnail(item, "")),
    h("div", { class: "answer-body" },
      h("p", { class: "file" }, h("bdi", {}, item.name)),
      h("p", { class: "label", role: "status", dir: "auto" }),
      h("button", { class: "again", type: "button", hidden: true, onclick: () => tryClips([item.id]) }, text("try_again")),
      h("p", { class: "nearest", dir: "auto" }),
      h("ol", { class: "events", "aria-label": text("subjects") }),
      h("div", { class: "movers", hidden: true }, h("p"), h("button", { class: "apart", type: "button" })),
      h("ul", { class: "faults", "aria-label": text("faults") }),
      h("ul", { class: "bars", "aria-label": text("bars") }),
      h("a", { class: "why", href: `/why/${item.id}`, target: "_blank", hidden: true }, text("why"))),
    h("div", { class: "correct" },
      h("button", { class: "right", type: "button", hidden: true }, text("right")),
      h("label", { for: choice.id }),
      h("div", { class: "row" }, choice,
        h("button", {
          type: "button", onclick: () => choice.reportValidity() && teachAs(item, choice.value),
        }, text("correct")))),
    removeButton(item));
  draggable(element, item.id);
  return element;
}

/** Make a clip to try one of an action, and teach it. */
const teachAs = async (item, label) => await moveClip(item, label) && attempt(teachIt);

function recording(item) {
  const video = h("video", {
    src: `/media/${item.source}`, controls: true, muted: true, playsInline: true, preload: "none",
  });
  const film = filmOf(item);
  const stage = stageOf(video, item.aspect);
  stage.hidden = true;
  const timeline = h("div", { class: "timeline" }, film, h("ul", { class: "lanes", "aria-label": text("counts") }), h("div", { class: "playhead", hidden: true }));
  video.addEventListener("timeupdate", () => {
    const now = video.currentTime;
    timeline.style.setProperty("--at", Math.min(1, now / item.seconds));
    showMarks(stage, item, marksOf(element.events.filter(({ start, end }) => start <= now && now < end), item));
  });
  video.addEventListener("error", () => stage.remove()); // then it is shown as frames only
  const playFrom = (seconds) => {
    stage.hidden = timeline.lastChild.hidden = false;
    video.currentTime = seconds;
    video.play().catch(() => {});
  };
  film.addEventListener("click", (event) => {
    const { left, width } = film.getBoundingClientRect();
    playFrom((item.seconds * (event.clientX - left)) / width);
  });
  const element = h("li", { class: "answer recording", tabindex: "-1" },
    h("p", { class: "file" }, h("bdi", {}, item.name)),
    h("p", { class: "label", role: "status" }),
    h("progress", { class: "searched", max: 1, "aria-label": text("search") }),
    stage, timeline,
    h("div", { class: "times" }, h("span", {}, clock(0)), h("span", {}, clock(item.seconds))),
    h("ul", { class: "faults", "aria-label": text("faults") }),
    h("ol", { class: "events", "aria-label": text("events") }),
    h("div", { class: "row" },
      h("button", { type: "button", onclick: () => playFrom(video.currentTime) }, text("play")),
      h("button", { class: "again", type: "button", onclick: () => tryClips([item.id]) }, text("search_again")),
      h("button", { class: "apart", type: "button" }),
      h("button", { type: "button", onclick: () => editSegment(item, {}) }, text("mark")),
      h("button", { class: "cancel", type: "button", hidden: true }, text("cancel_search"))),
    removeButton(item));
  element.events = [];
  return element;
}

/** What is shown of subjects on a player. */
const marksOf = (subjects, { classes }) =>
  subjects.map(({ subject, label, box }) => ({ box, name: label === UNLIKE ? subject : `${subject} ${label}`, hue: hueOf(classes, label) }));

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

/** The answers for each who moves in a short clip, if they were asked for. */
const subjectsOf = (item) => (isOld(item) || isActive(item.job) ? [] : item.result?.subjects ?? []);

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
  const ranked = Object.entries(result?.probabilities ?? {}).sort((a, b) => b[1] - a[1]).slice(0, 5);
  setText(element.querySelector(".nearest"), result?.label === UNLIKE ? text("unlike", { name: titleOf(ranked[0][0]) }) : nearest ? text("nearest", { name: nearest.name }) : "");
  showBars(element.querySelector(".bars"), classes, ranked);
  const subjects = subjectsOf(item), isApart = subjects.length > 0;
  element.querySelector(".bare").onclick = () => play({ ...item, subjects: marksOf(subjects, item) });
  const movers = isOld(item) ? 0 : result?.movers ?? 0;
  element.querySelector(".movers").hidden = movers < 2 && !isApart;
  const said = element.querySelector(".movers p");
  said.hidden = isApart;
  setText(said, text("movers", { n: movers }));
  offerApart(element.querySelector(".apart"), item, isApart, "answer_apart", "answer_together");
  sync(element.querySelector(".events"), subjects, (one) => `${one.subject} ${one.label} ${one.probability}`, (one) =>
    eventButton(item, { ...one, start: 0, end: item.seconds }, one.subject, one.label === UNLIKE ? text("answer_none") : one.label, one.label === UNLIKE ? "" : `${percent(one.probability)} %`));
  labelChoice.update(element.querySelector("select"), classes);
}

function updateRecording(element, item) {
  element.querySelector(".again").disabled = isActive(item.job);
  const cancel = element.querySelector(".cancel");
  cancel.hidden = !isActive(item.job);
  cancel.onclick = () => attempt(() => post(`/api/jobs/${item.job.id}/cancel`));
  const events = element.events = item.result?.events ?? [];
  const isApart = events.some(({ subject }) => subject);
  offerApart(element.querySelector(".apart"), item, isApart, "search_apart", "search_together");
  const share = (seconds) => `${(100 * seconds) / item.seconds}%`;
  const key = (event) => `${event.subject} ${event.label} ${event.start} ${event.end}`;
  const searched = element.querySelector(".searched");
  searched.hidden = !isActive(item.job);
  searched.value = (item.result?.time ?? 0) / item.seconds;
  const counts = item.result?.counts ?? {};
  const ofClasses = [...new Set([...item.classes, ...Object.keys(counts)])].filter((name) => name in counts);
  const lanes = isApart ? [...new Set(events.map(({ subject }) => subject))].sort((a, b) => a.localeCompare(b, undefined, { numeric: true })) : ofClasses;
  const lane = () => h("li", {}, h("span", { class: "lane-name", dir: "auto" }), h("ol", { class: "spans", "aria-hidden": "true" }));
  sync(element.querySelector(".lanes"), lanes, String, lane, (row, name) => {
    const own = events.filter((event) => (isApart ? event.subject : event.label) === name);
    row.className = `lane ${isApart ? "" : hueOf(item.classes, name)}`;
    setText(row.firstChild, isApart ? text("subject", { name }) : text("count", { name, n: counts[name] }));
    sync(row.lastChild, own, key, (event) => {
      const span = h("li", { class: hueOf(item.classes, event.label), title: `${event.label} ${clock(event.start)}–${clock(event.end)}`, onclick: () => editSegment(item, event) });
      span.style.insetInlineStart = share(event.start);
      span.style.inlineSize = share(event.end - event.start);
      return span;
    });
  });
  sync(element.querySelector(".events"), events, key, (event) =>
    eventButton(item, event, [event.subject, `${clock(event.start)}–${clock(event.end)}`].filter(Boolean).join(" · "),
      event.repetitions > 1 ? text("count", { name: event.label, n: event.repetitions }) : event.label, `${percent(event.confidence)} %`));
}

/** An action that was found, or the answer for a subject; a click opens what corrects it. */
function eventButton(item, event, when, what, value) {
  const correct = () => editSegment(item, event.label === UNLIKE ? { ...event, label: NONE } : event);
  return h("li", {}, h("button", { type: "button", class: hueOf(item.classes, event.label), onclick: correct },
    h("span", { class: "when" }, when), h("span", { dir: "auto" }, what), h("span", { class: "value" }, value)));
}

/** The button that asks for an answer for each subject, or again for one for all of the picture. */
function offerApart(button, item, isApart, apart, together) {
  setText(button, text(isApart ? together : apart));
  button.disabled = isActive(item.job) || !item.model;
  button.onclick = () => tryClips([item.id], !isApart);
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
  if (subjectsOf(item).length) return text("each", { n: result.subjects.length });
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
