// @ts-check
// The actions as cards: their names, their clips, and how clips come to them.

import { NONE, newId, pause, post, teachIt, upload } from "./api.js";
import { draggable, droppable } from "./drop.js";
import { editSegment, openDialog, play } from "./player.js";
import { record } from "./recorder.js";
import { clock, stepText, text } from "./texts.js";
import { ICONS, attempt, chooseFiles, failureText, h, hueOf, icon, setText, showProgress, sync, thumbnail, titleOf, toast } from "./view.js";

const NEW = " new";
const NAMED = 3;
const UNFOLDED = 12; // clips of a card that are shown in any case
const LABELS = { ".name": "action_name", ".remove": "remove_action", ".clips": "clips_of", ".record": "record_for", ".choose": "choose_for" };

/** @type {string[]} */
let shown = []; // the actions of the state before
/** @type {Record<string, import("./types").ClipFacts>} */
let clipOf = {}; // its clips

/**
 * Show the actions of a state.
 * @param {HTMLElement} list
 * @param {import("./types").PageFacts} state
 */
export function showCards(list, state) {
  renameCards(list, state.classes);
  clipOf = state.clips;
  const clips = Object.entries(state.clips).map(([id, clip]) => ({ id, ...clip }));
  const of = (label) => clips.filter((clip) => !clip.binned && clip.label === label);
  /** @type {{ name: string, clips?: any[], number?: number }[]} */
  const cards = state.classes.map((name) => ({ name, clips: of(name) }));
  const empty = newKeys(list, state.classes.length);
  cards.push(...empty.map((name, i) => ({ name, number: state.classes.length + i })));
  cards.splice(cards.length - Number(empty.length === 1), 0, { name: NONE, clips: of(NONE) });
  sync(list, cards, (card) => card.name, create, update);
}

/** The cards that wait for a name: up to the second action one for each, then one; a name that is being typed stays. */
function newKeys(list, count) {
  const isTyped = (key) => Boolean([...list.children].find((one) => one.dataset.key === key)?.querySelector("input").value);
  const keys = [NEW + 0, NEW + 1].sort((a, b) => Number(isTyped(b)) - Number(isTyped(a)));
  return keys.slice(0, Math.max(1, 2 - count, keys.filter(isTyped).length)).sort();
}

/** Keep the card of an action that was renamed: the click on its buttons that ends the typing must not be lost. */
function renameCards(list, classes) {
  shown.forEach((old, i) => {
    const isRenamed = shown.length === classes.length && !classes.includes(old) && !shown.includes(classes[i]);
    const card = isRenamed && [...list.children].find((one) => one.dataset.key === old);
    if (!card) return;
    card.dataset.key = classes[i];
    showName(card, classes[i], old);
  });
  shown = classes;
}

/** Show the name of an action in its card; a name that is being typed in place of `old` stays. */
function showName(card, name, old = "") {
  for (const [part, key] of Object.entries(LABELS)) {
    card.querySelector(part)?.setAttribute("aria-label", text(key, { name: titleOf(name) }));
  }
  const field = card.querySelector(".name");
  if (field && [old, name].includes(field.value.normalize().trim())) field.value = name;
}

function create(card) {
  if (card.name.startsWith(NEW)) return newCard();
  const isNone = card.name === NONE;
  const label = () => element.dataset.key;
  const take = (files) => addClips(files, label());
  const element = h("li", { class: isNone ? "card else" : "card" },
    h("div", { class: "card-head" },
      isNone ? h("h3", {}, text("else_title")) : nameField(label),
      isNone ? null : h("button", {
        class: "quiet icon remove", type: "button", onclick: () => attempt(() => post("/api/classes/remove", { name: label() })),
      }, icon(ICONS.remove))),
    isNone ? h("p", { class: "hint" }, text("else_intro")) : null,
    h("ul", { class: "clips" }),
    h("button", {
      class: "quiet fold", type: "button", hidden: true, onclick: () => {
        element.toggleAttribute("data-unfolded");
        showFold(element);
      },
    }),
    h("ul", { class: "faults", "aria-label": text("faults") }),
    h("p", { class: "drop-hint" }, text("drop_here")),
    h("div", { class: "row" },
      h("button", {
        class: "record", type: "button", onclick: () => record({ label: label(), pieces: isNone ? 10 : 1 }),
      }, icon(ICONS.camera), text("record")),
      h("button", {
        class: "choose", type: "button", onclick: () => chooseFiles(take),
      }, icon(ICONS.file), text("choose"))),
  );
  showName(element, card.name);
  droppable(element, take, async (id) => {
    const clip = { id, ...clipOf[id] };
    if (clip.label !== label() && await moveClip(clip, label()) && clip.label === null) await attempt(teachIt);
  });
  return element;
}

/** Offer to show all clips of a card, or fewer of them. */
function showFold(element) {
  const count = element.querySelectorAll(".clip").length;
  const fold = element.querySelector(".fold");
  fold.hidden = count <= UNFOLDED;
  setText(fold, text(element.hasAttribute("data-unfolded") ? "fold" : "unfold", { n: count }));
}

function update(element, card) {
  if (card.name.startsWith(NEW)) {
    const words = text(["first_action", "second_action"][card.number] ?? "add_action");
    setText(element.querySelector("label"), words);
    element.classList.toggle("more", card.number > 1);
    return;
  }
  element.className = card.name === NONE ? "card else" : `card ${hueOf(shown, card.name)}`;
  element.classList.toggle("filled", card.clips.length > 0);
  sync(element.querySelector(".clips"), card.clips, keyOf, clipItem, (item, clip) => {
    item.classList.toggle("pending", !clip.in_model);
  });
  showFold(element);
  const faults = [...new Set(card.clips.flatMap((clip) => clip.faults))].map((fault) => ({
    fault, names: listed(card.clips.filter((clip) => clip.faults.includes(fault)).map((clip) => clip.name)),
  }));
  sync(element.querySelector(".faults"), faults, (one) => one.fault, () => h("li"), (line, one) => setText(line, text("fault_of", one)));
}

/** Return what identifies a clip and its thumbnail. */
const keyOf = ({ id, box }) => (box ? `${id} ${box}` : id);

function clipItem(clip) {
  const item = h("li", { class: "clip" },
    h("button", {
      class: "bare", type: "button", "aria-label": text("play_clip", { name: clip.name }), title: clip.name,
      disabled: !clip.source, onclick: () => play(clip),
    }, thumbnail(clip, "")),
    h("button", {
      class: "corner icon", type: "button", "aria-label": text("remove_clip", { name: clip.name }),
      onclick: () => attempt(() => post("/api/clips/remove", { ids: [clip.id] })),
    }, icon(ICONS.remove)),
    h("button", {
      class: "corner icon move", type: "button", "aria-label": text("move_clip", { name: clip.name }), "aria-haspopup": "dialog",
      onclick: (event) => openMenu(event.currentTarget, clip),
    }, icon(ICONS.move)));
  draggable(item, clip.id);
  return item;
}

/** Open the menu of the actions that a clip can be moved to. */
function openMenu(button, clip) {
  const names = [...shown, NONE].filter((name) => name !== clip.label);
  const menu = h("div", { class: "menu", popover: "auto", role: "dialog", "aria-label": text("move_clip", { name: clip.name }) }, h("p", { class: "hint" }, text("move_to")),
    ...names.map((name) => h("button", {
      class: `quiet ${hueOf(shown, name)}`, type: "button", dir: "auto",
      onclick: () => { menu.hidePopover(); moveClip(clip, name); },
    }, titleOf(name))));
  menu.addEventListener("toggle", (event) => event.newState === "closed" && menu.remove());
  document.body.append(menu);
  menu.showPopover();
  const place = button.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(place.left, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(place.bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
  menu.querySelector("button").focus();
}

/** Make a clip one of an action, in the words of the message, which undoes this whatever came after; returns whether it is. */
export const moveClip = (clip, label) => attempt(async () => {
  const relabel = (name) => post("/api/clips/label", { ids: [clip.id], label: name });
  await relabel(label);
  toast(text("labelled", { name: clip.name, label: titleOf(label) }), false, () => attempt(async () => {
    await relabel(clip.label);
    toast(text("undone", { what: stepText({ what: "label", subject: clip.name }) }));
  }));
  return true;
});

/** The name of an action, which is edited in place; `name` returns it. */
function nameField(name) {
  const field = h("input", { class: "name", type: "text", maxlength: "255", dir: "auto" });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") field.value = name();
  });
  field.addEventListener("change", async () => {
    const done = await attempt(() => post("/api/classes/rename", { name: name(), to: field.value }));
    if (!done) field.value = name();
  });
  return field;
}

/** A card that waits for the name of an action; clips may be dropped once it has one. */
function newCard() {
  const id = `new-${Math.random().toString(36).slice(2)}`;
  const field = h("input", { id, type: "text", maxlength: "255", dir: "auto", placeholder: text("action_placeholder"), autocomplete: "off" });
  const form = h("form", { class: "new-form" },
    h("label", { for: id }, text("add_action")),
    h("div", { class: "row" }, field, h("button", { type: "submit" }, icon(ICONS.add), text("add"))));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (!name) return;
    field.value = "";
    if (!await attempt(() => post("/api/classes", { name }))) field.value ||= name;
  });
  return h("li", { class: "card new" }, form);
}

/** Add files that were dropped beside the cards: those of a folder to the action of its name, others to one that is asked for. */
export async function addToActions(files, paths) {
  const actions = new Map();
  files.forEach((file, i) => {
    const name = paths[i][1] ?? paths[i][0] ?? ""; // as teaching a folder of one folder an action does
    actions.set(name, [...(actions.get(name) ?? []), file]);
  });
  for (const [name, clips] of actions) {
    const label = name || await askName(clips);
    if (label) await addClips(clips, label);
  }
}

/** Ask which action files show; returns its name, or null if the dialog is closed. */
function askName(files) {
  const names = h("datalist", { id: "names" }, ...shown.map((name) => h("option", { value: name })));
  const field = h("input", { id: "dropped-name", type: "text", maxlength: "255", dir: "auto", required: true, list: "names", autocomplete: "off" });
  const form = h("form", { class: "new-form" },
    h("label", { for: field.id }, text("dropped_name")), names,
    h("div", { class: "row" }, field, h("button", { class: "primary", type: "submit" }, text("add"))));
  const dialog = openDialog(text("dropped", { n: files.length, names: listed(files.map((file) => file.name)) }), form);
  field.focus();
  return new Promise((answer) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answer(field.value.trim());
      dialog.close();
    });
    dialog.addEventListener("close", () => answer(null));
  });
}

/** Upload files as clips of an action, or to be tried (`label` null); returns their ids. */
export async function addClips(files, label, pieces = 1) {
  const ids = await sendClips(files, label, pieces);
  if (label && label !== NONE) for (const id of ids) await askIfLong(id, label);
  return ids;
}

/** Ask what to do with a long recording that was added to an action, as if it showed this once. */
async function askIfLong(id, label) {
  for (let i = 0; i < 100 && !clipOf[id]; i++) await pause(50); // the state follows the upload
  const clip = { id, classes: shown, ...clipOf[id] };
  if (!clip.recording || clip.label === null) return;
  const answer = (words, then = null) => h("button", {
    type: "button", onclick: () => {
      dialog.close();
      if (then) attempt(async () => then(await post("/api/clips/label", { ids: [id], label: null })));
    },
  }, text(words));
  const dialog = openDialog(text("long", { name: clip.name, time: clock(clip.seconds) }), h("p", { class: "hint" }, text("long_hint")),
    h("div", { class: "row" }, answer("long_cut", () => editSegment(clip, { label })),
      answer("long_search", () => post(`/api/clips/${id}/predict`)), answer("long_keep")));
  await new Promise((closed) => dialog.addEventListener("close", closed));
}

const sendClips = (files, label, pieces) => showProgress(async (progress) => {
  const batch = newId();
  const ids = [];
  const refused = new Map();
  let last = null; // an error that the others would get, too
  for (const [done, file] of files.entries()) {
    const show = (sent) => progress(text("uploading", { n: files.length, number: done + 1, name: file.name }), (done + sent) / files.length);
    show(0);
    try {
      if (last) throw last;
      ids.push(...(await upload(file, { name: file.name, label, pieces, batch }, newId(), show)).ids);
    } catch (error) {
      if (["offline", "action_removed"].includes(error.error?.key)) last = error;
      const words = failureText(error);
      refused.set(words, [...(refused.get(words) ?? []), file.name]);
    }
  }
  for (const [words, names] of refused) toast(text("error_of", { name: listed(names), error: words }), true);
  return ids;
});

/** The first names of a list, and how many more there are. */
function listed(names) {
  const first = names.slice(0, NAMED).join(", ");
  return names.length > NAMED ? text("and_more", { names: first, n: names.length - NAMED }) : first;
}
