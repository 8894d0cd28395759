// Draws an Adaptive Card by Microsoft's own renderer, with the settings that Teams gives it.

import * as adaptive from "adaptivecards/dist/adaptivecards.js";
import dark from "adaptivecards-designer/lib/hostConfigs/microsoft-teams-dark.json";
import light from "adaptivecards-designer/lib/hostConfigs/microsoft-teams-light.json";
import { element, isPage, opensApart, sender } from "./element.js";
import { markdown } from "./markdown.js";
import css from "./teams.css";

const HOSTS = { light: withFonts(light), dark: withFonts(dark) };
const TEAMS_READS = adaptive.Versions.v1_5;

adaptive.AdaptiveCard.onProcessMarkdown = (text, result) => {
  result.outputHtml = markdown(text);
  result.didProcess = true;
};

export function drawTeams(payload, { theme, complain }) {
  const card = new adaptive.AdaptiveCard();
  card.hostConfig = new adaptive.HostConfig(HOSTS[theme]);
  card.lang = navigator.language;
  card.onExecuteAction = ({ url }) => isPage(url) && window.open(url, "_blank", "noopener,noreferrer");
  for (const complaint of read(card, cardOf(payload))) complain(complaint);
  const drawn = card.render();
  drawn.querySelectorAll("a").forEach(opensApart);
  return { element: element("article", `frame teams ${theme}`, sender("Workflows"), element("div", "card", drawn)), css: [css] };
}

/** Puts the JSON into the card; yields what the renderer objects to. */
function* read(card, json) {
  const context = new adaptive.SerializationContext(TEAMS_READS);
  card.parse(json, context);
  for (let index = 0; index < context.eventCount; index++) yield context.getEventAt(index).message;
  for (const { message } of card.validateProperties().validationEvents) yield message;
}

/** The card in a message, or the bare card. */
function cardOf(payload) {
  return payload.type === "message" ? payload.attachments[0].content : payload;
}

/** The host's settings, with fonts of other machines beside those of Windows. */
function withFonts(host) {
  const fontFamily = "'Segoe UI', 'Noto Sans CJK JP', 'Noto Sans JP', system-ui, sans-serif";
  return { ...host, fontTypes: { ...host.fontTypes, default: { ...host.fontTypes.default, fontFamily } } };
}
