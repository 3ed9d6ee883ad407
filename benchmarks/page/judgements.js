"use strict";
const PAGE = 40;
const arms = JSON.parse(document.querySelector("#arms").textContent);
const list = document.querySelector("#list");
const more = document.querySelector("#more");
const controls = document.querySelector(".controls");
const [search, arm, state, count] = ["#search", "#arm", "#state", "#count"].map((id) => document.querySelector(id));

// A line is "arm state {JSON}", or "q {JSON}" of a question; it is parsed when it is shown or searched.
const data = document.querySelector("#answers");
const questions = [];
const all = [];
for (const line of data.textContent.split("\n")) {
  if (line.startsWith("q ")) questions.push(line.slice(2));
  else if (line !== "") all.push(line);
}
data.remove();

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

const read = (line) => JSON.parse(line.slice(line.indexOf(" ", line.indexOf(" ") + 1) + 1));

function rowOf(line) {
  const [number, kind] = line.split(" ", 2);
  const said = read(line);
  const facts = `${arms[number]} · question ${said.question} · attempt ${said.attempt}${kind === "2" ? " · asked once more" : ""}`;
  const head = make("h3", "", make("bdi", "", said.item), make("span", "meta", facts));
  if (!said.readable) head.append(make("span", "badge worse", "could not be read"));
  const row = make("li", "", head);
  if (said.error) row.append(make("p", "why", make("bdi", "", said.error)));
  if (said.asked !== null) {
    const asked = make("details", "", make("summary", "", "the question"));
    asked.addEventListener("toggle", () => asked.children.length < 2 && asked.append(make("pre", "", JSON.parse(questions[said.asked]))));
    row.append(asked);
  }
  const answer = make("pre", "", said.answer);
  answer.dir = "auto";
  answer.tabIndex = 0;
  row.append(answer);
  return row;
}

let fitting = [];
let drawn = 0;

function draw() {
  list.append(...fitting.slice(drawn, drawn + PAGE).map(rowOf));
  drawn = Math.min(drawn + PAGE, fitting.length);
  more.hidden = drawn === fitting.length;
  more.textContent = `Show more (${fitting.length - drawn} left)`;
}

const texts = new Map();

function textOf(line) {
  let text = texts.get(line);
  if (text === undefined) {
    const { item, answer, error } = read(line);
    texts.set(line, (text = [item, answer, error].join("\n").toLowerCase()));
  }
  return text;
}

function show() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  fitting = all.filter((line) => {
    const [number, kind] = line.split(" ", 2);
    const fits = (arm.value === "" || arm.value === number) && (state.value === "" || state.value === kind);
    return fits && wanted.every((word) => textOf(line).includes(word));
  });
  list.replaceChildren();
  drawn = 0;
  count.textContent = `${fitting.length} of ${all.length}`;
  draw();
}

for (const [number, name] of arms.entries()) {
  const option = make("option", "", name);
  option.value = number;
  arm.append(option);
}
let typing;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(show, 150);
});
controls.addEventListener("change", show);
controls.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", draw);
new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && !more.hidden && draw(), { rootMargin: "600px" }).observe(more);
controls.hidden = false;
show();
