// Draws an Adaptive Card by Microsoft's own renderer, with the settings that Teams gives it.

import * as adaptive from "adaptivecards/dist/adaptivecards.js";
import lightHost from "adaptivecards-designer/lib/hostConfigs/microsoft-teams-light.json";
import darkHost from "adaptivecards-designer/lib/hostConfigs/microsoft-teams-dark.json";
import { element } from "./element.js";
import { markdown } from "./markdown.js";
import css from "./teams.css";

const HOSTS = { light: lightHost, dark: darkHost };

adaptive.AdaptiveCard.onProcessMarkdown = (text, result) => {
  result.outputHtml = markdown(text);
  result.didProcess = true;
};

export function drawTeams(payload, { theme, complain }) {
  const card = new adaptive.AdaptiveCard();
  card.hostConfig = new adaptive.HostConfig(HOSTS[theme]);
  card.lang = navigator.language;
  card.onExecuteAction = openPage;
  const context = new adaptive.SerializationContext(adaptive.Versions.v1_5);
  card.parse(content(payload), context);
  for (let index = 0; index < context.eventCount; index++) complain(context.getEventAt(index).message);
  for (const event of card.validateProperties().validationEvents) complain(event.message);
  const drawn = card.render();
  for (const anchor of drawn.querySelectorAll("a")) anchor.rel = "noopener noreferrer";
  return { element: element("article", `frame teams ${theme}`, drawn), css: [css] };
}

/** The card in a message, or the bare card. */
function content(payload) {
  return payload.type === "message" ? payload.attachments[0].content : payload;
}

function openPage(action) {
  if (/^https:\/\//i.test(action.url)) window.open(action.url, "_blank", "noopener,noreferrer");
}
