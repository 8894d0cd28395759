// One destination's column: its cards, newest first, fetched as somebody scrolls to them.

import { element } from "../renderers/element.js";
import { get, post } from "./api.js";
import { about, cardElement } from "./card.js";
import { NEAR, forget } from "./drawn.js";
import { CHANNELS, count, time } from "./words.js";

const PAGE = 20;
const MOST = 200; // cards that a column holds while new ones come in; older ones are fetched again

const ANSWERS = { takes: "takes every card", busy: "asks to wait (429)", silent: "does not answer", gone: "is gone (404)" };

export class Column {
  constructor(name) {
    this.name = name;
    this.ids = [];
    this.complete = false;
    this.title = element("h2", "", name);
    this.facts = element("p", "facts");
    this.waiting = element("p", "waiting");
    this.answer = answer(name);
    this.list = element("div", "cards");
    this.empty = element("p", "empty", "No card yet.");
    this.end = element("div", "end");
    this.scroll = element("div", "scroll", this.empty, this.list, this.end);
    const label = element("label", "answer", "Pretend that it ", this.answer);
    const head = element("header", "head", this.title, this.facts, label, this.waiting);
    this.element = element("section", "column", head, this.scroll);
    this.element.setAttribute("aria-label", name);
    this.element.dataset.destination = name;
    this.watcher = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.more(), NEAR);
  }

  /** What the server knows of the destination itself. */
  show({ cards, waiting, next, listed, kind, answer }) {
    const channel = listed ? (CHANNELS[kind] ?? kind) : "not in the routing file";
    this.facts.textContent = `${channel} · ${count(cards, "card")}`;
    this.waiting.textContent = waiting ? `${count(waiting, "login")} waiting${next ? `, next card at ${time(next)}` : ""}` : "";
    this.answer.parentElement.hidden = !listed;
    if (listed && document.activeElement !== this.answer) this.answer.value = answer;
  }

  /** Forget all cards and fetch the newest. */
  async reload() {
    this.watcher.disconnect();
    forget(this.list);
    this.list.replaceChildren();
    this.ids = [];
    this.complete = false;
    await this.more();
    this.watcher.observe(this.end);
  }

  async more() {
    if (this.complete || this.fetching) return;
    this.busy(true);
    const before = this.ids.length ? `&before=${this.ids.at(-1)}` : "";
    const found = await get(`/cards?destination=${encodeURIComponent(this.name)}&limit=${PAGE}${before}`).finally(() => this.busy(false));
    this.complete = found.length < PAGE;
    const known = new Set(this.ids);
    const fresh = found.filter(({ id }) => !known.has(id));
    this.ids.push(...fresh.map(({ id }) => id));
    this.list.append(...fresh.map(cardElement));
    this.empty.hidden = this.ids.length > 0;
    this.watcher.unobserve(this.end); // once observed anew, an end that is still near asks for the next page
    if (!this.complete) this.watcher.observe(this.end);
  }

  /** While cards are being fetched: said to screen readers, too. */
  busy(fetching) {
    this.fetching = fetching;
    this.list.ariaBusy = fetching;
  }

  /** A card that is new, or was overtaken by a later one. What to announce of it. */
  change(card) {
    if (this.ids.includes(card.id)) {
      if (card.overtaken) this.drop(this.ids.indexOf(card.id));
      return "";
    }
    if (card.overtaken || (this.ids.length && card.id < this.ids[0])) return "";
    this.ids.unshift(card.id);
    this.list.prepend(cardElement(card));
    this.empty.hidden = true;
    if (this.ids.length > MOST && !this.scroll.scrollTop && !scrollY) this.trim();
    return `${this.name}: ${about(card)}`;
  }

  trim() {
    while (this.ids.length > MOST / 2) this.drop(this.ids.length - 1);
    this.complete = false;
    this.watcher.observe(this.end);
  }

  drop(index) {
    const gone = this.list.children[index];
    forget(gone);
    gone.remove();
    this.ids.splice(index, 1);
    this.empty.hidden = this.ids.length > 0;
  }
}

/** What the channel is to answer, to see what becomes of its logins then. */
function answer(name) {
  const options = Object.entries(ANSWERS).map(([value, text]) => new Option(text, value));
  const select = element("select", "", ...options);
  select.addEventListener("change", () => {
    post("/answer", { destination: name, answer: select.value }).catch(({ message }) => {
      document.getElementById("became").textContent = message;
    });
  });
  return select;
}
