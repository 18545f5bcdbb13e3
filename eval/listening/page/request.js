// Talking to the page's own server.

/** What the server refused, in its words. */
export class Refused extends Error {}

const HEADERS = { "x-codec": "ui" };

async function refusal(answer, text) {
  let detail = null;
  try {
    ({ detail } = JSON.parse(text));
  } catch {
    // Not one of our own answers.
  }
  return new Refused(typeof detail === "string" ? detail : `the server refused this (${answer.status})`);
}

/** GET. Raises Refused. */
export async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw await refusal(answer, await answer.text());
  return answer;
}

/** POST of a blob; `progress` is told the share that has gone. Raises Refused. */
export function send(path, blob, progress = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch cannot tell how far an upload is
    request.open("POST", path);
    request.setRequestHeader("x-codec", "ui");
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 1);
    request.onerror = () => reject(new Refused("the server does not answer; is codec ui still running?"));
    request.onload = async () => (request.status < 400 ? resolve(JSON.parse(request.responseText)) : reject(await refusal(request, request.responseText)));
    request.send(blob);
  });
}

/** POST whose answer is one JSON object a line, each as soon as it is there. Raises Refused. */
export async function* follow(path, signal) {
  const answer = await fetch(path, { method: "POST", headers: HEADERS, signal });
  if (!answer.ok) throw await refusal(answer, await answer.text());
  let rest = "";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}
