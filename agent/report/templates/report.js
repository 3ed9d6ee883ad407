"use strict";
// Two pictures side by side become one with a slider.
for (const figure of document.querySelectorAll("[data-compare]")) {
  const input = figure.querySelector("input");
  const pair = figure.querySelector(".pair");
  const move = () => pair.style.setProperty("--cut", `${input.value}%`);
  figure.classList.add("live");
  input.hidden = false;
  input.addEventListener("input", move);
  move();
}
// Arrow keys go from round to round.
const rounds = [...document.querySelectorAll("section.round")];
const calm = matchMedia("(prefers-reduced-motion: reduce)");
for (const hint of document.querySelectorAll("[data-keys]")) hint.hidden = rounds.length < 2;
document.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const busy = event.target.closest("input, select, textarea, pre, .long");
  if (!step || busy || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const here = rounds.indexOf(document.activeElement.closest("section.round"));
  const seen = rounds.filter((round) => round.getBoundingClientRect().top < innerHeight / 3).length - 1;
  const next = rounds[(here < 0 ? seen : here) + step];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ behavior: calm.matches ? "auto" : "smooth" });
});
