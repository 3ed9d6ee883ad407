// What changed between two prompts, word by word.

import { el, visible } from "./dom.js";

const MOST = 1_000_000; // cells of the table; beyond that, all between the ends counts as changed

// A word or a sign, with the space before it.
const WORDS = /\s*[\p{L}\p{N}_'’-]+|\s*[^\s\p{L}\p{N}_'’-]|\s+$/gu;

/** [["same" | "gone" | "new", text], …] */
export function changes(before, after) {
  const a = visible(before).match(WORDS) ?? [];
  const b = visible(after).match(WORDS) ?? [];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const parts = [];
  const add = (kind, text) => {
    if (!text) return;
    if (parts.at(-1)?.[0] === kind) parts.at(-1)[1] += text;
    else parts.push([kind, text]);
  };
  add("same", a.slice(0, start).join(""));
  middle(a.slice(start, a.length - end), b.slice(start, b.length - end), add);
  add("same", a.slice(a.length - end).join(""));
  return parts;
}

function middle(a, b, add) {
  if (a.length * b.length > MOST) {
    add("gone", a.join(""));
    add("new", b.join(""));
    return;
  }
  // Longest common subsequence of what is left.
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] = a[i] === b[j]
        ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) add("same", (j++, a[i++]));
    else if (j >= b.length || (i < a.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1]))
      add("gone", a[i++]);
    else add("new", b[j++]);
  }
}

/** The new prompt with what is new and what is gone marked. */
export function diff(before, after) {
  const marks = { same: "span", gone: "del", new: "ins" };
  const parts = changes(before, after);
  const shown = parts.map(([kind, text]) => {
    const space = kind === "same" ? "" : text.match(/^\s*/)[0];
    return [space, el(marks[kind], {}, text.slice(space.length))];
  });
  return el("p", { class: "prompt", dir: "auto" }, shown);
}
