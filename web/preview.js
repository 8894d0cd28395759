// The page that `preview --html` writes: draws the cards that stand in it as JSON, and says what is known of them.

import { draw } from "./renderers.js";
import { element } from "./renderers/element.js";
import css from "./preview.css";

const { facts, cards } = JSON.parse(document.getElementById("cards").textContent);

const sheet = new CSSStyleSheet();
sheet.replaceSync(css);
document.adoptedStyleSheets = [sheet];

const main = document.querySelector("main");
main.append(element("dl", "", ...facts.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)])));
main.append(element("div", "cards", ...cards.map(figure)));
for (const payload of new Set(cards.map(({ payload }) => JSON.stringify(payload, null, 2)))) {
  main.append(element("details", "", element("summary", "", "The JSON behind it"), element("pre", "", payload)));
}
main.dataset.drawn = "true";

function figure({ name, kind, payload, theme, width }) {
  const complaints = element("ul", "complaints");
  const complain = (complaint) => complaints.append(element("li", "", complaint));
  const card = draw(kind, payload, { theme, width, complain });
  return element("figure", "", element("figcaption", "", name), card, complaints);
}
