// Writes Slack's `<!date^…>` by the reader's own clock and language, as Slack's programs do.
// https://docs.slack.dev/messaging/formatting-message-text#date-formatting

const DAY = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { dateStyle: "long" },
  date_short: { dateStyle: "medium" },
  date_long: { dateStyle: "full" },
};
const TIME = { time: { timeStyle: "short" }, time_secs: { timeStyle: "medium" } };

/** The format with its macros filled in; the fallback where it has one that is not known here. */
export function slackDate({ timestamp, format, fallback }) {
  const instant = new Date(Number(timestamp) * 1000);
  try {
    return format.replace(/\{(\w+)\}/g, (_, name) => written(instant, name));
  } catch {
    return fallback;
  }
}

function written(instant, name) {
  const pretty = name.endsWith("_pretty");
  const style = TIME[name] ?? DAY[pretty ? name.slice(0, -"_pretty".length) : name];
  if (!style) throw new RangeError(name);
  return (pretty && nearDay(instant)) || new Intl.DateTimeFormat(navigator.language, style).format(instant);
}

/** "yesterday", "today" or "tomorrow", where it is one. */
function nearDay(instant) {
  const days = Math.round((midnight(instant) - midnight(new Date())) / 86_400_000);
  return Math.abs(days) <= 1 && new Intl.RelativeTimeFormat(navigator.language, { numeric: "auto" }).format(days, "day");
}

function midnight(instant) {
  return new Date(instant).setHours(0, 0, 0, 0);
}
