// Talks to the server that the page came from.

const KEY = "chatbot.key";

/** What the server refuses, with its own words; status 0 and no words where it does not answer. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Keeps the key of the server until the tab is closed. */
export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** Fetches the descriptions of all models. */
export async function fetchModels() {
  return (await call("/api/model")).models;
}

/** Has a line answered by all searches: {model, turns, settings, prefix}. */
export function compare(asked, signal) {
  return call("/api/compare", { method: "POST", body: JSON.stringify(asked), signal });
}

async function call(path, options = {}) {
  const headers = { "content-type": "application/json" };
  const key = sessionStorage.getItem(KEY);
  if (key) headers.authorization = `Bearer ${key}`;
  const answer = await fetch(path, { ...options, headers }).catch(() => {
    throw new Refused(0, "");
  });
  const body = await answer.json().catch(() => null);
  if (answer.ok && body) return body;
  throw new Refused(answer.status, body?.error?.message ?? `HTTP ${answer.status}`);
}
