// Talks to the server: Gradio's queue for questions, plain requests for the rest. Paths are relative: a proxy may sit before.

export class Problem extends Error {}

const WORDS = {
  401: "A user and password are needed: load the page again.",
  413: "This file is too large for this server.",
  429: "Too many requests at once: wait a moment.",
  503: "Too many people are asking right now, the queue is full. Try again in a moment.",
};

async function told(response) {
  let message = WORDS[response.status];
  if (!message || response.status === 413) {
    try { message = (await response.json()).message || message; } catch { /* no JSON: our own words */ }
  }
  return new Problem(message || "The server did not answer as it should. Try again.");
}

async function reach(path, options) {
  let response;
  try { response = await fetch(path, options); } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server cannot be reached. Is it still running?");
  }
  if (!response.ok) throw await told(response);
  return response;
}

export const get = async (path) => (await reach(path)).json();
export const send = async (path, data) =>
  reach(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(data) });
export const upload = async (blob) => (await reach("pictures", { method: "POST", body: blob })).json();
export const stop = (id) => send("stop", { ask: id }).catch(() => {});

/** The events of one answer, until the last. `signal` ends it here; `stop(id)` ends it on the server. */
export async function* ask(picture, question, model, id, signal) {
  const start = await send("gradio_api/call/ask", { data: [picture, question, model, id] });
  const { event_id } = await start.json();
  const response = await reach(`gradio_api/call/ask/${event_id}`, { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const kind = /^event: (.*)$/m.exec(part)?.[1];
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (kind === "generating") yield JSON.parse(data)[0];
      if (kind === "error") throw new Problem("Something went wrong on the server. Ask again, or ask something else.");
      if (kind === "complete") return;
    }
  }
}
