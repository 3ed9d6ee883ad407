// Elements, and words that are safe to show. Nothing here or elsewhere makes HTML out of text.

// A browser sends the cookie to all ports of this machine. The key came in the address and is kept for this page alone.
let before = localStorage.getItem("key");
const given = /^#key=([0-9a-f]{64})$/.exec(location.hash)?.[1];
if (given) {
  localStorage.setItem("key", given);
  history.replaceState(null, "", location.pathname);
}

/** An address of the studio, with the key. */
export function keyed(path) {
  return `${path}${path.includes("?") ? "&" : "?"}key=${localStorage.getItem("key")}`;
}

/** Back to the key of before, once, for a link of another page may have brought a wrong one; false if there is none. */
export function takeKeyBack() {
  const back = given && before;
  if (back) localStorage.setItem("key", before);
  before = null;
  return Boolean(back);
}

/** A new element. Attributes that are null or false are left out; `on…` are listeners. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// Characters that turn the direction of writing or that no one can see could make a text look like
// another one.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** What somebody or a model wrote, with unseen control characters made visible. */
export function visible(text) {
  return String(text).replaceAll("\r\n", "\n").replace(UNSEEN, "\ufffd");
}

/** The same, cut at `length` characters. */
export function short(text, length) {
  const seen = visible(text);
  return seen.length > length ? `${seen.slice(0, length)}…` : seen;
}

/** `text_faithfulness` as words. */
export const DIMENSIONS = {
  text_faithfulness: "What you asked for",
  image_faithfulness: "Kept from your picture",
  physical_quality: "Looks real and clean",
  text_rendering: "Written words",
};

/** A score, a mean: two digits. */
export function score(value) {
  return value.toFixed(2);
}

/** A change with its sign; a true minus. */
export function change(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

/** Ask the studio; gives the value that it answers. Throws an Error with words for the user. */
export async function ask(path, body) {
  return parsed(await (await answerTo(path, body)).text());
}

/** The studio's answer, as for `ask`. */
export async function answerTo(path, body) {
  const post = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(keyed(path), post);
  } catch {
    throw new Error("The studio does not answer. Is it still running?");
  }
  if (!answer.ok) throw new Error(short(parsed(await answer.text()).error, 600));
  return answer;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(short(text, 300));
  }
}

/** A picture of the studio's; where it cannot be shown, the words why. */
export function image(attributes) {
  const shown = el("img", { ...attributes, onerror: async () => {
    const why = await whyNot(attributes.src) || "This picture cannot be shown.";
    shown.replaceWith(el("span", { class: "blank", title: why }, attributes.alt ? why : null));
  } });
  return shown;
}

/** Why the studio does not answer a request as asked; empty if it does. */
export async function whyNot(path) {
  const enough = new AbortController();
  try {
    const answer = await fetch(path, { signal: enough.signal });
    return answer.ok ? "" : short((await answer.json()).error, 600);
  } catch {
    return "The studio does not answer. Is it still running?";
  } finally {
    enough.abort();
  }
}

/** Tell screen readers, and nobody else. */
export function announce(text) {
  document.getElementById("status").textContent = text;
}

/** Address of a picture of a run. */
export function picture(run, digest, size) {
  return keyed(`/runs/${run}/${size}/${digest}.png`);
}
