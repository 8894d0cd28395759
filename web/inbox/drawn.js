// Draws cards by their channels' renderers, those near the window alone: a card far away is an empty place as tall.

import { element } from "../renderers/element.js";
import { onTheme, theme } from "./theme.js";

export const NEAR = { rootMargin: "600px", scrollMargin: "600px" }; // around the window, and around a column that scrolls

const TALL = 640; // pixels; a taller card, such as a digest of a hundred logins, is folded

const payloads = new WeakMap();
const unfolded = new WeakSet();
let renderers = null;
const near = new Set();

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) (isIntersecting ? show : hide)(target);
  },
  NEAR,
);

onTheme(() => near.forEach(paint));

/** A place that draws the payload when it comes near the window. */
export function drawn(kind, payload) {
  const place = element("div", "drawn");
  if (payload === null) return element("p", "undrawn", "Nothing could be drawn.");
  payloads.set(place, { kind, payload });
  watcher.observe(place);
  return place;
}

/** Forget a place that leaves the page. */
export function forget(within) {
  for (const place of within.querySelectorAll(".drawn")) {
    watcher.unobserve(place);
    near.delete(place);
  }
}

function show(place) {
  if (near.has(place)) return;
  near.add(place);
  paint(place);
}

function hide(place) {
  if (!near.delete(place)) return;
  place.style.minHeight = `${place.offsetHeight}px`;
  place.replaceChildren();
}

async function paint(place) {
  renderers ??= import("../renderers.js");
  const { draw } = await renderers;
  if (!near.has(place)) return;
  const { kind, payload } = payloads.get(place);
  place.replaceChildren(draw(kind, payload, { theme: theme() }));
  place.classList.remove("folded");
  place.style.minHeight = "";
  if (place.offsetHeight > TALL) fold(place);
}

/** Show the beginning; all of it when somebody asks, or comes to a link of it by the keyboard. */
function fold(place) {
  const button = element("button", "unfold");
  button.type = "button";
  const show = (all) => {
    place.classList.toggle("folded", !all);
    if (all) unfolded.add(place);
    else unfolded.delete(place);
    button.textContent = all ? "Show less" : "Show all of it";
  };
  button.addEventListener("click", () => show(place.classList.contains("folded")));
  place.firstChild.addEventListener("focusin", (event) => {
    if (!place.classList.contains("folded")) return;
    show(true);
    event.composedPath()[0].scrollIntoView({ block: "nearest" });
  });
  place.append(button);
  show(unfolded.has(place));
}
