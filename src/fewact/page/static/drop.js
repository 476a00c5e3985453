// Dropped files, and the videos of dropped folders.

import { text } from "./texts.js";
import { VIDEOS, toast } from "./view.js";

/**
 * Let an element take dropped files: `take` gets them, and for each the path of its folder, from the
 * dropped one on; empty if it was dropped itself.
 */
export function droppable(element, take) {
  let depth = 0;
  element.dataset.drop = "";
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    element.classList.toggle("over", depth > 0);
  };
  element.addEventListener("dragenter", (event) => { event.preventDefault(); mark(1); });
  element.addEventListener("dragleave", () => mark(-1));
  element.addEventListener("dragover", (event) => event.preventDefault());
  element.addEventListener("drop", async (event) => {
    event.preventDefault();
    mark(-depth);
    if (event.target.closest("[data-drop]") !== element) return; // one inside takes them
    // What was dropped can be read during the event only, the content of its folders later.
    const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file")
      .map((item) => ({ file: item.getAsFile(), entry: item.webkitGetAsEntry() }));
    const found = [];
    for (const { file, entry } of dropped) found.push(...(entry?.isDirectory ? await videosIn(entry) : [{ file, path: [] }]));
    if (found.length) take(found.map(({ file }) => file), found.map(({ path }) => path));
  });
}

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
