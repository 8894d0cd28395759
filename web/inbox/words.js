// How the page says times, counts and sizes.

const times = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const numbers = new Intl.NumberFormat("en");
const languages = new Intl.DisplayNames("en", { type: "language" });

export const CHANNELS = { slack: "Slack", teams: "Microsoft Teams", mail: "E-mail" };

export const number = (value) => numbers.format(value);
export const language = (name) => languages.of(name);

/** `1 login`, `2 logins`. */
export const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

/** Seconds since the epoch by the reader's clock; with the day where that is not today. */
export function time(seconds) {
  const at = new Date(seconds * 1000);
  return (at.toDateString() === new Date().toDateString() ? times : days).format(at);
}

/** `623 of 13,000 characters`. */
export const size = ({ used, room, unit }) => `${number(used)} of ${number(room)} ${unit}`;
