// @ts-check
// Dropped files, and the videos of dropped folders.

import { text } from "./texts.js";
import { VIDEOS, toast } from "./view.js";

const CLIP = "application/x-fewact-clip"; // what a clip of the page is dragged as
const takers = new WeakMap();

/**
 * Let an element take dropped files: `take` gets them, and for each the path of its folder, from the
 * dropped one on; empty if it was dropped itself. `takeClip` gets the id of a clip of the page.
 */
export function droppable(element, take, takeClip = null) {
  element.dataset.drop = "";
  takers.set(element, { take, takeClip });
}

/** Let a clip of the page be dragged. */
export function draggable(element, id) {
  element.draggable = true;
  element.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData(CLIP, id);
    event.dataTransfer.effectAllowed = "move";
  });
}

/** The innermost element around the pointer that takes what is dragged. */
function takerOf(event) {
  const { types } = event.dataTransfer;
  const place = (event.target instanceof Element ? event.target : event.target.parentElement).closest("[data-drop]");
  return types.includes("Files") || (types.includes(CLIP) && takers.get(place)?.takeClip) ? place : null;
}

let marked = null;

function mark(element) {
  if (element !== marked) marked?.removeAttribute("data-over");
  marked = element;
  marked?.setAttribute("data-over", ""); // no class: those follow the state, which may come during the drag
}

document.addEventListener("dragover", (event) => {
  mark(takerOf(event));
  if (marked) event.preventDefault();
});
document.addEventListener("dragleave", (event) => event.relatedTarget ?? mark(null));
document.addEventListener("dragend", () => mark(null));
document.addEventListener("drop", async (event) => {
  const place = takerOf(event);
  mark(null);
  if (!place) return;
  event.preventDefault();
  const { take, takeClip } = takers.get(place);
  const id = event.dataTransfer.getData(CLIP);
  if (id) return takeClip(id);
  // What was dropped can be read during the event only, the content of its folders later.
  const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file")
    .map((item) => ({ file: item.getAsFile(), entry: item.webkitGetAsEntry() }));
  const found = [];
  for (const { file, entry } of dropped) found.push(...(entry?.isDirectory ? await videosIn(entry) : [{ file, path: [] }]));
  if (found.length) take(found.map(({ file }) => file), found.map(({ path }) => path));
});

/** The videos in a folder and below; says so where there are none. */
async function videosIn(folder) {
  let files = [];
  try {
    files = await below(folder);
  } catch {
    // A folder that cannot be read has no videos for the page.
  }
  if (!files.length) toast(text("no_videos_in", { name: folder.name }), true);
  return files;
}

async function below(folder, path = [folder.name]) {
  const files = [];
  for (const entry of await entriesOf(folder)) {
    if (entry.isDirectory) files.push(...await below(entry, [...path, entry.name]));
    else if (isVideo(entry.name)) files.push({ file: await new Promise((done, fail) => entry.file(done, fail)), path });
  }
  return files;
}

const isVideo = (name) => VIDEOS.some((suffix) => name.toLowerCase().endsWith(suffix));

async function entriesOf(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return entries.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
    entries.push(...some);
  }
}
