// The page of `preview --html`: draws the cards that stand in it as JSON.

import { draw } from "./renderers.js";

const { cards } = JSON.parse(document.getElementById("cards").textContent);
for (const { kind, payload, theme, width } of cards) {
  document.body.append(draw(kind, payload, { theme, width, complain: console.warn }));
}
