// New clips and what the model says of them.

import { post } from "./api.js";
import { NONE, addClips } from "./cards.js";
import { play } from "./player.js";
import { errorText, percent, text } from "./texts.js";
import { ICONS, attempt, h, icon, setText, sync, thumbnail } from "./view.js";

const UNLIKE = "(none)";

/** Show the clips to try, the newest first. */
export function showAnswers(list, state) {
  const items = Object.entries(state.clips)
    .filter(([, clip]) => !clip.binned && clip.label === null)
    .map(([id, clip]) => ({
      id, ...clip, nearest: state.clips[state.results[id]?.nearest], result: state.results[id], classes: state.classes, model: state.model,
      job: state.jobs.filter((job) => job.subject === id).at(-1),
    }))
    .reverse();
  sync(list, items, (item) => item.id, create, update);
}

/** Add files to try, and ask for their classes. */
export async function tryFiles(files) {
  await tryClips(await addClips(files, null));
}

export async function tryClips(ids) {
  for (const id of ids) await attempt(() => post(`/api/clips/${id}/predict`));
}

function create(item) {
  const choice = h("select", { id: `choice-${item.id}` });
  return h("li", { class: "answer" },
    h("button", { class: "bare", type: "button", "aria-label": text("play_clip", { name: item.name }), onclick: () => play(item) }, thumbnail(item, "")),
    h("div", { class: "answer-body" },
      h("p", { class: "file", dir: "auto" }, item.name),
      h("p", { class: "label", role: "status", dir: "auto" }),
      h("p", { class: "nearest" }),
      h("ul", { class: "bars", "aria-label": text("bars") }),
      h("div", { class: "correct" },
        h("label", { for: choice.id }, text("correct_as")),
        h("div", { class: "row" }, choice,
          h("button", {
            type: "button",
            onclick: () => attempt(async () => {
              await post("/api/clips/label", { ids: [item.id], label: choice.value });
              await post("/api/teach");
            }),
          }, text("correct"))))),
    h("button", {
      type: "button", class: "quiet icon away", "aria-label": text("remove_answer", { name: item.name }),
      onclick: () => attempt(() => post("/api/clips/remove", { ids: [item.id] })),
    }, icon(ICONS.remove)));
}

function update(element, item) {
  const { result } = item;
  const label = element.querySelector(".label");
  element.classList.toggle("unlike", result?.label === UNLIKE);
  element.classList.toggle("busy", ["waiting", "running"].includes(item.job?.state));
  setText(label, labelText(item));
  setText(element.querySelector(".nearest"), item.nearest ? text("nearest", { name: item.nearest.name }) : "");
  const ranked = Object.entries(result?.probabilities ?? {}).sort((a, b) => b[1] - a[1]).slice(0, 5);
  sync(element.querySelector(".bars"), ranked, ([name]) => name, bar, (row, [, share]) => {
    row.style.setProperty("--share", `${100 * share}%`);
    setText(row.querySelector(".value"), `${percent(share)} %`);
  });
  const choice = element.querySelector("select");
  sync(choice, [...item.classes, NONE], (name) => name, (name) =>
    h("option", { value: name }, name === NONE ? text("other_action") : name));
}

function labelText({ result, job, model }) {
  if (job?.state === "failed") return errorText(job.error);
  if (job?.state === "waiting" && !result) return text("waiting");
  if (job?.state === "running" && !result) return text("predicting");
  if (!result) return model ? "" : text("waiting_for_model");
  if (result.label === UNLIKE) return text("answer_none");
  return text("answer", { label: result.label, percent: percent(result.probability) });
}

function bar([name]) {
  return h("li", { class: "bar" }, h("span", { class: "bar-name", dir: "auto" }, name), h("span", { class: "bar-line" }), h("span", { class: "value" }));
}
