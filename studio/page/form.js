// The form for a new picture.

import { announce, ask, el, visible } from "./dom.js";

/** The form; `start(name)` is called when a run has begun. */
export function form(studio, start) {
  const { defaults } = studio;
  let files = [];
  let waiting = 0;
  const prompt = el("textarea", { id: "prompt", rows: 4, required: true, dir: "auto", maxlength: 200000, placeholder: example(), "aria-describedby": "notes-before", oninput: () => tell() });
  const before = el("div", { id: "notes-before", "aria-live": "polite" });
  const label = el("label", { for: "prompt", class: "ask" }, "What should the picture show?");
  const trouble = el("p", { class: "trouble", role: "alert" });
  const review = el("input", { type: "checkbox", id: "review", checked: defaults.review });
  const candidates = el("input", { type: "number", id: "candidates", min: 1, max: studio.most_candidates, step: 1, placeholder: "as the choice above has it" });
  const sides = ["width", "height"].map((side) => el("input", { type: "number", id: side, min: 1, max: 16384, step: 1, placeholder: side, "aria-label": `${side}, pixels` }));
  const negative = el("textarea", { id: "negative", rows: 2, dir: "auto" });
  const usd = el("input", { type: "number", id: "usd", min: 0, step: "any", value: defaults.budget_usd, placeholder: "no limit", "aria-describedby": "costs" });
  const seed = el("input", { type: "number", id: "seed", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, required: true, value: defaults.seed });
  const keep = el("textarea", { id: "keep", rows: 2, dir: "auto" });
  keep.value = defaults.keep.join("\n");
  const avoid = el("textarea", { id: "avoid", rows: 2, dir: "auto" });
  avoid.value = defaults.avoid.join("\n");
  const about = el("p", { class: "quiet", id: "about-preset" });
  const presets = el("select", { id: "preset", "aria-describedby": "about-preset", onchange: explain },
    [true, false].map((intent) => el("optgroup", { label: intent ? "What it is for" : "Methods" }, studio.presets.filter((one) => one.intent === intent).map(
      (one) => el("option", { value: one.name, selected: one.name === defaults.preset }, visible(one.title))))));
  function explain() {
    about.textContent = visible(studio.presets.find((one) => one.name === presets.value).about);
  }
  explain();
  const submit = el("button", { class: "main", type: "submit" }, "Make the picture");
  const drop = studio.tasks.includes("edit") ? dropZone(take, studio.several) : null;

  function take(given) {
    files = given;
    const edit = files.length > 0;
    label.textContent = edit ? `What should change in ${files.length > 1 ? "the first" : "your"} picture?` : "What should the picture show?";
    submit.textContent = edit ? "Change the picture" : "Make the picture";
    prompt.placeholder = example();
    tell();
  }

  /** A sentence that works with the models in use. */
  function example() {
    if (files.length) return studio.models.edit_example ?? "Remove the lamp; keep everything else";
    return studio.models.example ?? "A lighthouse at dusk, three gulls, calm sea";
  }

  // What the models in use cannot do with the prompt, a moment after the last key.
  function tell() {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const asked = { prompt: prompt.value, edit: files.length > 0 };
      const { notes, ways } = await ask("/api/notes", asked).catch(() => ({ notes: [], ways: [] }));
      if (asked.prompt !== prompt.value || asked.edit !== files.length > 0) return;
      before.replaceChildren(...(notes.length ? [el("p", { class: "note" }, visible(notes.join(" ")))] : []),
        ...(ways.length ? [el("ul", { class: "quiet" }, ways.map((way) => el("li", {}, visible(way))))] : []));
    }, 400);
  }

  async function send(event) {
    event.preventDefault();
    trouble.textContent = "";
    submit.disabled = true;
    try {
      const size = files.reduce((sum, file) => sum + file.size, 0);
      if (size > studio.largest) throw new Error(`${files.length > 1 ? "The pictures' files have" : "The picture's file has"} ${megabytes(size)} MB; ${megabytes(studio.largest)} MB is the most.`);
      const [first, ...more] = await Promise.all(files.map(base64));
      const { name } = await ask("/api/runs", {
        prompt: prompt.value,
        picture: first ?? null,
        more_pictures: more,
        preset: presets.value,
        seed: Number(seed.value),
        keep: lines(keep.value),
        avoid: lines(avoid.value),
        review: review.checked,
        candidates: count(candidates),
        budget_usd: count(usd),
        ...(studio.takes.includes("width") ? { width: count(sides[0]), height: count(sides[1]) } : {}),
        ...(negative.value.trim() && studio.takes.includes("negative_prompt") ? { negative_prompt: negative.value } : {}),
      });
      announce("The picture is begun");
      start(name);
    } catch (error) {
      trouble.textContent = visible(error.message);
    } finally {
      submit.disabled = false;
    }
  }

  return el("form", {
    class: "sheet",
    id: "form",
    onsubmit: send,
    onkeydown: (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) e.currentTarget.requestSubmit(); },
  },
    label, prompt, before, drop,
    el("label", { class: "check", for: "review" }, review,
      el("span", {}, "Ask me before each new prompt", el("small", {}, "You can accept it, change it, choose another picture or another way."))),
    el("details", {}, el("summary", {}, "More choices"),
      el("div", { class: "fields" },
        el("div", {}, el("label", { for: "preset" }, "How"), presets, about),
        el("div", {}, el("label", { for: "candidates" }, "Pictures of each prompt"), candidates, el("p", { class: "quiet" }, "Several to choose from: the critic does, or you, if it asks you.")),
        studio.takes.includes("width") ? el("div", {}, el("span", { class: "label" }, "Size"), el("div", { class: "pair" }, sides), el("p", { class: "quiet" }, "Pixels, both or none.")) : null,
        studio.takes.includes("negative_prompt") ? el("div", {}, el("label", { for: "negative" }, "Negative prompt"), negative, el("p", { class: "quiet" }, "What the model should stay away from. It goes to the generator as it is; the critic does not see it.")) : null,
        el("div", {}, el("label", { for: "seed" }, "Seed"),
          el("div", { class: "pair" }, seed, el("button", { type: "button", onclick: () => { seed.value = Math.floor(Math.random() * 1e6); } }, "Roll")),
          el("p", { class: "quiet" }, "The same prompt and seed give the same picture.")),
        el("div", {}, el("label", { for: "keep" }, "Words to keep"), keep, el("p", { class: "quiet" }, "One phrase a line. Every new prompt must hold them.")),
        el("div", {}, el("label", { for: "avoid" }, "Words to avoid"), avoid, el("p", { class: "quiet" }, "One phrase a line. No new prompt may hold them.")),
        studio.costs.length ? el("div", {}, el("label", { for: "usd" }, "US dollars at most"), usd, el("p", { class: "quiet", id: "costs" }, visible(studio.costs.join("; ")))) : null)),
    trouble,
    el("div", { class: "actions" }, submit, el("span", { class: "quiet" }, "or Ctrl + Enter")));
}

/** Rounded up, so that what is too large does not look like what is not. */
function megabytes(bytes) {
  return Math.ceil(bytes / 1e5) / 10;
}

/** The number in a field; null if it is empty. */
function count(field) {
  return field.value === "" ? null : Number(field.value);
}

function lines(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

function dropZone(take, several) {
  const invitation = several ? "Start from pictures of yours: drop them here, or choose some; the first is changed" : "Start from a picture of yours: drop it here, or choose one";
  const input = el("input", { type: "file", id: "file", accept: "image/*", multiple: several, onchange: () => choose([...input.files]) });
  const shown = el("span", { class: "chosen" });
  const words = el("span", {}, invitation);
  const remove = el("button", { type: "button", hidden: true, onclick: () => choose([]) }, "Without a picture");
  function choose(given) {
    const files = several ? given : given.slice(0, 1);
    for (const old of shown.children) URL.revokeObjectURL(old.src);
    shown.replaceChildren(...files.map((file, index) => {
      const alt = index ? `Picture ${index + 1}` : "Your picture";
      const img = el("img", { alt, src: URL.createObjectURL(file), onerror: () => { img.hidden = true; } });
      return img;
    }));
    if (!files.length) input.value = "";
    remove.hidden = !files.length;
    words.textContent = files.map((file, index) => (files.length > 1 ? `${index + 1}. ` : "") + visible(file.name)).join(", ") || invitation;
    take(files);
  }
  const zone = el("div", {
    class: "drop",
    ondragover: (e) => { e.preventDefault(); zone.classList.add("over"); },
    ondragleave: () => zone.classList.remove("over"),
    ondrop: (e) => { e.preventDefault(); zone.classList.remove("over"); if (e.dataTransfer.files.length) choose([...e.dataTransfer.files]); },
  }, el("label", { for: "file" }, shown, words), input, remove);
  return zone;
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error("The picture cannot be read"));
    reader.readAsDataURL(file);
  });
}
