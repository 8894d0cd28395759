// Light, dark, or as the system has it: for the page and for the cards on it.

const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();
let chosen = localStorage.getItem("theme") ?? "auto";

export const theme = () => (chosen === "auto" ? (system.matches ? "dark" : "light") : chosen);

/** Calls `redraw` whenever the theme is another one. */
export function onTheme(redraw) {
  listeners.add(redraw);
}

export function startTheme(fieldset) {
  fieldset.querySelector(`[value=${chosen}]`).checked = true;
  fieldset.addEventListener("change", ({ target }) => {
    chosen = target.value;
    localStorage.setItem("theme", chosen);
    show();
  });
  system.addEventListener("change", show);
  show();
}

function show() {
  document.documentElement.dataset.theme = theme();
  for (const redraw of listeners) redraw();
}
