// A line is "arm state {JSON}", or "q {JSON}" of a question; it is parsed when it is shown or searched.
const questions = [];
const all = linesOf("#answers").filter((line) => !line.startsWith("q ") || !questions.push(line.slice(2)));

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

function textOf(line) {
  const { item, answer, error } = read(line);
  return [item, answer, error];
}

function fits(line) {
  const [number, kind] = line.split(" ", 2);
  return (arm.value === "" || arm.value === number) && (state.value === "" || state.value === kind);
}

choices(arm, arms.entries());
browse(all, 40, { rowOf, textOf, fits });
