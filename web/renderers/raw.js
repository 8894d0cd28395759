// Draws what no renderer knows: the JSON itself.

import { element } from "./element.js";

export function drawRaw(payload) {
  return { element: element("pre", "frame raw", JSON.stringify(payload, null, 2)), css: [] };
}
