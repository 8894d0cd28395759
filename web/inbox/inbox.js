// The inbox: follows the server and shows what is new.

import { element } from "../renderers/element.js";
import { get } from "./api.js";
import { follow } from "./columns.js";
import { offer, startComposer } from "./composer.js";
import { startTheme } from "./theme.js";
import { count, time } from "./words.js";

const connection = document.getElementById("connection");
const routing = document.getElementById("routing");
const refusals = document.getElementById("refusals");
let shown = "";
let busy = false;
let again = false;

startTheme(document.getElementById("theme"));
startComposer();
refresh();
const stream = new EventSource("/stream");
stream.addEventListener("message", refresh);
stream.addEventListener("error", () => {
  connection.textContent = "Not connected: is the bot still running?";
});

/** One refresh at a time; what is new meanwhile is in the next. */
async function refresh() {
  again = true;
  if (busy) return;
  busy = true;
  try {
    while (again) {
      again = false;
      await show(await get("/state"));
    }
    connection.textContent = "";
  } catch (error) {
    connection.textContent = `Not up to date: ${error.message}`;
  } finally {
    busy = false;
  }
}

async function show(state) {
  offer(state);
  showRouting(state.routing);
  showRefusals(state.refusals);
  await follow(state);
}

function showRouting({ path, applied_at, faults }) {
  const said = JSON.stringify([path, applied_at, faults]);
  if (said === shown) return;
  shown = said;
  const name = element("code", "", path);
  const since = time(Date.parse(applied_at) / 1000);
  routing.dataset.good = faults.length === 0;
  if (!faults.length) {
    routing.replaceChildren(element("p", "", name, ` is in force, as it was at ${since}. A change is applied at once.`));
    return;
  }
  const lines = faults.map(({ line, text }) => {
    return element("li", "", element("strong", "", line === null ? "no line" : `line ${line}`), ` ${text}`);
  });
  const head = element("p", "", name, ` has ${count(faults.length, "mistake")}. The one of ${since} stays in force.`);
  const alert = element("div", "", head, element("ul", "faults", ...lines));
  alert.role = "alert";
  routing.replaceChildren(alert);
}

function showRefusals(found) {
  refusals.hidden = found.length === 0;
  refusals.querySelector("summary").textContent = `Refused: ${found.length === 20 ? "the latest 20" : found.length}`;
  const lines = found.map(({ refused_at, reason }) => element("li", "", element("time", "", time(refused_at)), ` ${reason}`));
  refusals.querySelector("ul").replaceChildren(...lines);
}
