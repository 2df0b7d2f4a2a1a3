/**
 * What the server says of itself, and the secret for one that asks for a key.
 *
 * The key is exchanged for a client secret (`ek_...`), which expires by itself; neither is stored anywhere.
 */

const EXPIRES = 7200; // seconds: the longest that there is

/** {model, voices, webrtc, key}: `key` says whether one is asked for. */
export async function describe() {
  const answer = await fetch("client.json");
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.json();
}

/** Rejects with the server's own words for a key that it does not know. */
export async function secretFor(key) {
  const answer = await fetch("/v1/realtime/client_secrets", {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ expires_after: { anchor: "created_at", seconds: EXPIRES } }),
  });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.error?.message ?? answer.statusText), body.error);
  return { value: body.value, expiresAt: body.expires_at * 1000 };
}
