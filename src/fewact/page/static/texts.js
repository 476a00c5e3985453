// @ts-check
// The texts of the page, which the server put into it from texts.json.

const texts = JSON.parse(document.getElementById("texts").textContent);
const plurals = new Intl.PluralRules(texts.lang);

/** The text of a key with its values; `n` chooses between singular and plural. */
export function text(key, values = {}) {
  let found = key.split(".").reduce((part, name) => part?.[name], texts);
  if (found && typeof found === "object") found = found[plurals.select(values.n)] ?? found.other;
  if (found === undefined) return key;
  return found.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/**
 * What an undoable step did, in words.
 * @param {import("./types").StepFacts} step
 */
export function stepText(step) {
  return text(`steps_done.${step.what}`, { subject: step.subject || text("several_clips") });
}

/**
 * What an error of the server says.
 * @param {import("./types").ErrorFacts | undefined} error
 */
export function errorText(error) {
  let words = text(`errors.${error?.key}`);
  if (!error?.key) {
    words = error?.what ?? text("failed");
    if (error?.expected) words += ` (${error.expected})`;
    if (error?.hint) words += `. ${error.hint}`;
  }
  return words;
}

/** A time in seconds as minutes and seconds. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** The action of an answer, as the headline: one that is not even as probable as all others is no answer. */
export const headline = (label, share) =>
  text(share < 0.5 ? "answer_unsure" : "answer", { label, percent: percent(share) });

export const percent = (share) => Math.round(100 * share);
