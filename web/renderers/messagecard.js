// Draws a MessageCard in a modest form of our own: nobody publishes a renderer of these.

import { element } from "./element.js";
import { markdown } from "./markdown.js";
import css from "./teams.css";

export function drawMessageCard(card, { theme }) {
  const drawn = element("article", `frame teams message-card ${theme}`, element("h2", "", marked("span", card.title)));
  for (const section of card.sections ?? []) drawn.append(...sectionOf(section));
  return { element: drawn, css: [css] };
}

function* sectionOf({ activityTitle, text, facts = [] }) {
  if (activityTitle) yield element("h3", "", marked("span", activityTitle));
  if (text) yield marked("div", text);
  if (facts.length) yield element("dl", "", ...facts.flatMap(({ name, value }) => [marked("dt", name), marked("dd", value)]));
}

function marked(name, text) {
  const made = element(name);
  made.innerHTML = markdown(text);
  for (const anchor of made.querySelectorAll("a")) {
    anchor.target = "_blank";
    anchor.rel = "noopener noreferrer";
  }
  return made;
}
