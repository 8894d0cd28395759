// Draws a MessageCard in a modest form of our own: nobody publishes a renderer of these.

import { element, opensApart, sender } from "./element.js";
import { markdown } from "./markdown.js";
import css from "./teams.css";

export function drawMessageCard({ title, sections = [] }, { theme }) {
  const card = element("div", "card", marked("h2", title));
  for (const section of sections) card.append(...sectionOf(section));
  const said = element("article", `frame teams message-card ${theme}`, sender("Workflows"), card);
  return { element: said, css: [css] };
}

function* sectionOf({ activityTitle, text, facts = [] }) {
  if (activityTitle) yield marked("h3", activityTitle);
  if (text) yield marked("div", text, "text");
  if (facts.length) yield element("dl", "", ...facts.flatMap(({ name, value }) => [marked("dt", name), marked("dd", value)]));
}

function marked(name, text, className) {
  const made = element(name, className);
  made.innerHTML = markdown(text);
  made.querySelectorAll("a").forEach(opensApart);
  return made;
}
