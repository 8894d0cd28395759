// Draws what no renderer knows: the JSON itself.

import { element } from "./element.js";

export function drawRaw(payload, { theme }) {
  const json = element("pre", "", JSON.stringify(payload, null, 2));
  return { element: element("article", `frame raw ${theme}`, json), css: [] };
}
