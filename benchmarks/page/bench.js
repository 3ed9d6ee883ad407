const STATES = { improved: "better", worsened: "worse", unchanged: "", failed: "failed", "not graded": "" };
const order = document.querySelector("#order");

// Items in the order of the benchmark, each with its trials in the order of the arms.
const items = new Map();
for (const line of linesOf("#trials")) {
  const trial = JSON.parse(line);
  let item = items.get(trial.item);
  if (!item) items.set(trial.item, (item = { id: trial.item, request: "", source: null, labels: {}, trials: [] }));
  if (trial.labels) Object.assign(item, { request: trial.request, labels: trial.labels, source: trial.source && pathOf(trial.run, trial.source) });
  item.trials.push(trial);
}
const all = [...items.values()];
for (const item of all) item.trials.sort((a, b) => a.arm - b.arm);

function pathOf(run, digest) {
  return `${run}/images/${digest.slice(0, 2)}/${digest}.png`;
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

const value = (picture) => picture?.[1] ?? null;
const score = (picture) => value(picture)?.toFixed(2) ?? "–";
const shown = (item) => item.trials.filter((trial) => arm.value === "" || trial.arm === Number(arm.value));

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
  return make("li", "item", asked, make("div", "tries", ...shown(item).map(tryOf)));
}

const labels = new Map();

function textOf(item) {
  return [item.id, item.request, ...item.trials.flatMap((trial) => [trial.prompt, trial.missed, trial.fault])];
}

function gainOf(item, sign) {
  const gains = shown(item).map(({ first, result }) => (value(first) !== null && value(result) !== null ? value(result) - value(first) : 0));
  return sign * Math.max(...gains.map((gain) => sign * gain), -Infinity);
}

function fits(item) {
  return (
    shown(item).some((trial) => state.value === "" || trial.state === state.value) &&
    [...labels].every(([name, select]) => select.value === "" || item.labels[name] === select.value)
  );
}

function sort(fitting) {
  if (!order.value) return;
  const sign = order.value === "down" ? 1 : -1;
  const gains = new Map(fitting.map((item) => [item, gainOf(item, sign)]));
  fitting.sort((a, b) => sign * (gains.get(b) - gains.get(a)));
}

const states = new Set(all.flatMap((item) => item.trials.map((trial) => trial.state)));
choices(state, Object.keys(STATES).filter((name) => states.has(name)).map((name) => [name, name]));
choices(arm, arms.entries());
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
document.querySelector("#meaning").hidden = false;
browse(all, 60, { rowOf, textOf, fits, sort });
