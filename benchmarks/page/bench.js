"use strict";
const PAGE = 60;
const STATES = { improved: "better", worsened: "worse", unchanged: "", failed: "failed", "not graded": "" };
const arms = JSON.parse(document.querySelector("#arms").textContent);
const list = document.querySelector("#list");
const more = document.querySelector("#more");
const controls = document.querySelector(".controls");
const [search, state, arm, order, count] = ["#search", "#state", "#arm", "#order", "#count"].map((id) => document.querySelector(id));

// Items in the order of the benchmark, each with its trials in the order of the arms.
const items = new Map();
const data = document.querySelector("#trials");
for (const line of data.textContent.split("\n")) {
  if (line === "") continue;
  const trial = JSON.parse(line);
  let item = items.get(trial.item);
  if (!item) items.set(trial.item, (item = { id: trial.item, request: "", source: null, labels: {}, trials: [] }));
  if (trial.labels) Object.assign(item, { request: trial.request, labels: trial.labels, source: trial.source && pathOf(trial.run, trial.source) });
  item.trials.push(trial);
}
data.remove();
const all = [...items.values()];
for (const item of all) item.trials.sort((a, b) => a.arm - b.arm);

function pathOf(run, digest) {
  return `${run}/images/${digest.slice(0, 2)}/${digest}.png`;
}

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

function words(text) {
  const element = make("div", "words", text);
  element.dir = "auto";
  return element;
}

function thumb(path, alt) {
  const image = make("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.alt = alt;
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth < 160));
  image.addEventListener("error", () => image.replaceWith(missing("picture not found")));
  image.src = path;
  const link = make("a", "thumb", image);
  link.href = path;
  return link;
}

function missing(text) {
  return make("span", "missing", text);
}

const score = (picture) => (picture && picture[1] !== null ? picture[1].toFixed(2) : "–");

function tryOf(trial) {
  const { run, first, result } = trial;
  const badge = make("span", `badge ${STATES[trial.state]}`, trial.state);
  const part = make("section", "try", make("h3", "", make("bdi", "", arms[trial.arm]), badge));
  const thumbs = make("div", first ? "thumbs" : "thumbs one");
  if (first) thumbs.append(thumb(pathOf(run, first[0]), "The first picture"));
  thumbs.append(result ? thumb(pathOf(run, result[0]), "The result") : missing("no picture"));
  const renders = `${trial.renders} render${trial.renders === 1 ? "" : "s"}`;
  const scores = (first ? `${score(first)} → ` : "") + score(result) + (result && result[2] ? " exact" : "");
  part.append(thumbs, make("div", "line number", make("span", "", scores), make("span", "", renders)));
  if (trial.missed) part.append(make("p", "why", "Missed: ", make("bdi", "", trial.missed)));
  if (trial.fault) part.append(make("p", "why", make("bdi", "", trial.fault)));
  if (trial.prompt) part.append(make("details", "", make("summary", "", "prompt of the result"), words(trial.prompt)));
  return part;
}

function rowOf(item) {
  const labels = Object.entries(item.labels).map(([name, value]) => ` · ${name}: ${value}`);
  const asked = make("div", "asked", words(item.request), make("p", "meta", make("bdi", "", item.id), ...labels));
  if (item.source) asked.append(thumb(item.source, "The picture to edit"), make("p", "meta", "the picture to edit"));
  const shown = item.trials.filter((trial) => arm.value === "" || trial.arm === Number(arm.value));
  return make("li", "item", asked, make("div", "tries", ...shown.map(tryOf)));
}

// What is shown: the items that fit, drawn a page at a time.
let fitting = [];
let drawn = 0;

function draw() {
  list.append(...fitting.slice(drawn, drawn + PAGE).map(rowOf));
  drawn = Math.min(drawn + PAGE, fitting.length);
  more.hidden = drawn === fitting.length;
  more.textContent = `Show more (${fitting.length - drawn} left)`;
}

const labels = new Map();
const texts = new Map();

function textOf(item) {
  let text = texts.get(item);
  if (text === undefined) {
    const parts = item.trials.flatMap((trial) => [trial.prompt, trial.missed, trial.fault]);
    texts.set(item, (text = [item.id, item.request, ...parts].join("\n").toLowerCase()));
  }
  return text;
}

function gainOf(item, sign) {
  const value = (picture) => (picture && picture[1] !== null ? picture[1] : null);
  const gains = item.trials
    .filter((trial) => arm.value === "" || trial.arm === Number(arm.value))
    .map((trial) => (trial.first && value(trial.first) !== null && value(trial.result) !== null ? value(trial.result) - value(trial.first) : 0));
  return sign * Math.max(...gains.map((gain) => sign * gain), -Infinity);
}

function show() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  fitting = all.filter(
    (item) =>
      item.trials.some((trial) => (arm.value === "" || trial.arm === Number(arm.value)) && (state.value === "" || trial.state === state.value)) &&
      [...labels].every(([name, select]) => select.value === "" || item.labels[name] === select.value) &&
      wanted.every((word) => textOf(item).includes(word)),
  );
  if (order.value) {
    const sign = order.value === "down" ? 1 : -1;
    const gains = new Map(fitting.map((item) => [item, gainOf(item, sign)]));
    fitting.sort((a, b) => sign * (gains.get(b) - gains.get(a)));
  }
  list.replaceChildren();
  drawn = 0;
  count.textContent = `${fitting.length} of ${all.length}`;
  draw();
}

function choices(select, values) {
  for (const [value, text] of values) {
    const option = make("option", "", text);
    option.value = value;
    select.append(option);
  }
}

const states = new Set(all.flatMap((item) => item.trials.map((trial) => trial.state)));
choices(state, Object.keys(STATES).filter((name) => states.has(name)).map((name) => [name, name]));
choices(arm, arms.map((name, number) => [number, name]));
const values = new Map();
for (const item of all) {
  for (const [name, value] of Object.entries(item.labels)) {
    if (!values.has(name)) values.set(name, new Set());
    values.get(name).add(value);
  }
}
for (const [name, known] of values) {
  const select = make("select");
  choices(select, [["", "all"], ...[...known].sort().map((value) => [value, value])]);
  labels.set(name, select);
  order.parentElement.before(make("label", "", name, select));
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
controls.hidden = document.querySelector("#meaning").hidden = false;
show();
