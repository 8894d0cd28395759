// Asks the inbox's own server; its token makes a post this page's own.

const token = document.querySelector("meta[name=token]").content;

/** What the server has at `path`. Throws with its reason. */
export async function get(path) {
  return read(await fetch(path));
}

/** Posts `body` as JSON. Throws with the server's reason. */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Inbox-Token": token };
  return read(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function read(answer) {
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error ?? `the server said ${answer.status}`);
  return said;
}
