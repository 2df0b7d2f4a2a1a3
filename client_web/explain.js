/**
 * What went wrong, in words that say what can be done about it.
 *
 * Pure: names of errors in, sentences out.
 */

const MICROPHONE = {
  NotAllowedError:
    "The browser did not let this page use the microphone. Allow it in the address bar, then press Start talking again. Until then you can type.",
  NotFoundError: "No microphone was found. Plug one in, or type your question.",
  NotReadableError: "Another program holds the microphone. Close it there, then try again; or type.",
  InsecureContext:
    "Browsers give the microphone only to pages from https:// or from localhost. Open this page that way, or type your question.",
};

/** Why there is no microphone. `error`: what getUserMedia raised. */
export function microphone(error) {
  return MICROPHONE[error?.name] ?? `The microphone could not be opened (${error?.message || error?.name || "no reason given"}). You can type instead.`;
}

/** The browser will not play sound before somebody has touched the page. */
export const AUTOPLAY = "Your browser holds back the sound until you touch the page. Click or tap anywhere to hear the reply.";

export const LOST = "The line dropped. Reconnecting; the conversation is kept.";
export const RESUMED = "Connected again, where you left off.";
export const RESTARTED = "Connected again. The server had lost the conversation, so it was told what was said so far.";
export const GONE = "The server cannot be reached. Your words are still here; press Start talking to try again.";
export const FALLBACK = "WebRTC did not connect from here, so the sound goes over WebSocket.";
export const NO_WEBRTC = "This server has no WebRTC, so the sound goes over WebSocket.";
export const MICROPHONE_LOST = "The microphone went away. Plug it in again and press Start talking.";

const SERVER = {
  session_limit: "The server is full just now. Try again in a moment.",
  engine_unavailable: "The model is starting again on the server. Try again in a moment.",
  session_expired: "This conversation has lasted as long as the server allows. Start another.",
  rate_limit_exceeded: "That was more than this server allows in so short a time. Wait a little.",
  invalid_api_key: "The key was not accepted. Check it and try again.",
  context_length_exceeded: "The conversation has become too long for the model. Start another.",
};

/** An `error` event, or the error of a failed response. */
export function server(error) {
  return SERVER[error?.code] ?? `The server says: ${error?.message ?? "something went wrong"}.`.replace(/\.\.$/, ".");
}

const ENDINGS = {
  turn_detected: "cut off: you spoke",
  client_cancelled: "stopped",
  max_output_tokens: "ended at its longest length",
  line_dropped: "cut off: the line dropped",
};

/** Why a reply is not whole; "" where it is. */
export function ending(reply) {
  if (reply.state === "open" || reply.state === "completed") return reply.heard === null || reply.heard >= reply.text.length ? "" : "cut off";
  if (reply.state === "failed") return `failed: ${reply.reason ?? "no reason given"}`;
  return ENDINGS[reply.reason] ?? reply.reason ?? reply.state;
}
