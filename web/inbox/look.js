// What would become of a login: who hears, what was looked at, and each card in each language.

import { element } from "../renderers/element.js";
import { json, weight } from "./card.js";
import { drawn, forget } from "./drawn.js";
import { language } from "./words.js";

export function showLook(place, { summary, hears, steps, cards }) {
  const open = new Set([...place.querySelectorAll("details[open]")].map(({ dataset }) => dataset.key));
  forget(place);
  place.replaceChildren(element("p", "summary", summary), hearers(hears), looked(steps), ...cards.map(destination));
  for (const details of place.querySelectorAll("details")) details.open ||= open.has(details.dataset.key);
}

export function hearers(hears) {
  const lines = Object.entries(hears).map(([name, why]) =>
    element("li", "", element("strong", "", name), " because of ", element("code", "", why)),
  );
  return lines.length ? element("ul", "hears", ...lines) : element("p", "hears", "Nobody hears of it.");
}

/** Everything that was asked on the way, in order. */
export function looked(steps) {
  const rows = steps.map(({ step, matched, because }) => {
    const row = element("li", matched ? "matched" : "", element("code", "", step), ` ${because}`);
    return row;
  });
  return keyed("steps", "What was looked at", element("ol", "steps", ...rows));
}

function destination({ destination, kind, languages }) {
  const cards = languages.map((each, index) => {
    const title = language(each.language) + (index === 0 ? ", as it is sent" : "");
    if (each.failed) return keyed(`${destination}.${each.language}`, title, element("p", "reason", each.failed));
    const made = keyed(`${destination}.${each.language}`, title, drawn(kind, each.payload), weight(each), json(each.payload));
    made.open = index === 0;
    return made;
  });
  return element("section", "destination", element("h4", "", destination), ...cards);
}

function keyed(key, title, ...children) {
  const details = element("details", "", element("summary", "", title), ...children);
  details.dataset.key = key;
  return details;
}
