"use strict";
const list = document.querySelector("#list");
const more = document.querySelector("#more");
const controls = document.querySelector(".controls");
const [search, state, arm, count] = ["#search", "#state", "#arm", "#count"].map((id) => document.querySelector(id));
const arms = JSON.parse(document.querySelector("#arms").textContent);

// The lines of a script element with data, which is not needed any more.
function linesOf(id) {
  const data = document.querySelector(id);
  data.remove();
  return data.textContent.split("\n").filter(Boolean);
}

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

function choices(select, values) {
  for (const [value, text] of values) {
    const option = make("option", "", text);
    option.value = value;
    select.append(option);
  }
}

// The list of those that fit the form and have the words of the search in their text, sorted, drawn a page at a time.
function browse(all, page, { rowOf, textOf, fits, sort }) {
  const texts = new Map();
  let fitting = [];
  let drawn = 0;
  let typing;

  function has(one, words) {
    if (words.length && !texts.has(one)) texts.set(one, textOf(one).join("\n").toLowerCase());
    return words.every((word) => texts.get(one).includes(word));
  }

  function draw() {
    list.append(...fitting.slice(drawn, drawn + page).map(rowOf));
    drawn = Math.min(drawn + page, fitting.length);
    more.hidden = drawn === fitting.length;
    more.textContent = `Show more (${fitting.length - drawn} left)`;
  }

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    fitting = all.filter((one) => fits(one) && has(one, words));
    sort?.(fitting);
    list.replaceChildren();
    drawn = 0;
    count.textContent = `${fitting.length} of ${all.length}`;
    draw();
  }

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
}
