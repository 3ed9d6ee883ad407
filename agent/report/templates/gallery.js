"use strict";
const list = document.querySelector(".cards");
const cards = [...list.children];
const search = document.querySelector("#search");
const state = document.querySelector("#state");
const order = document.querySelector("#order");
const count = document.querySelector("#count");
const texts = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));
const number = (card, name) => (card.dataset[name] === "" ? -Infinity : Number(card.dataset[name]));

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards) {
    const fits = state.value === "" || card.dataset.state === state.value;
    card.hidden = !(fits && words.every((word) => texts.get(card).includes(word)));
    shown += card.hidden ? 0 : 1;
  }
  count.textContent = `${shown} of ${cards.length}`;
}

function sort() {
  const [name, way] = order.value.split(" ");
  const sign = way === "up" ? 1 : -1;
  // Infinities of one sign have no difference: they are compared instead.
  const compare = (a, b) => (a === b ? 0 : sign * (a < b ? -1 : 1));
  cards.sort((a, b) => compare(number(a, name), number(b, name)));
  list.append(...cards);
}

document.querySelector(".controls").hidden = false;
search.addEventListener("input", show);
state.addEventListener("change", show);
order.addEventListener("change", sort);
sort();
show();
