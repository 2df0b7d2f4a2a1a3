/**
 * What is on the page, as one value: server events in, the next value out.
 *
 * Pure: `reduce(state, event)` changes nothing that it was given, and entries that did not change are the same
 * objects, so that a view need only look at those that did. Beside the server's events it knows some of the
 * page's own: `page.played` {item_id, ms} (so much of a reply was heard here), `page.paced` {item_id} (the server
 * plays it, and says which words are heard), `page.heard` {response_id, ms} (when its first sound was, after the
 * turn had ended) and `page.note` {text}. Times are milliseconds.
 *
 * An entry is what somebody said:
 *   {kind: "user", id, spoken, text, state: "speaking" | "pausing" | "done" | "failed", startMs, endMs}
 *   {kind: "reply", id, itemId, user, thoughts, thinking, text, marks, soundMs, playedMs, begun, playing, heard,
 *    heardAfter, calls, state, reason, times}
 *                              state: "open" | "completed" | "cancelled" | "incomplete" | "failed"
 *   {kind: "note", id, text}
 */

import { durationMs } from "./pcm.js";

export const EMPTY = Object.freeze({ entries: [], marks: [], session: null, newest: null });

const HEARD = "conversation.item.input_audio_transcription";

/** The state after an event; events that say nothing to the page change nothing. */
export function reduce(state, event) {
  switch (event.type) {
    case "session.created":
    case "session.updated":
      return { ...state, session: event.session };
    case "input_audio_buffer.speech_started":
      return speechStarted(state, event);
    case "input_audio_buffer.speech_stopped":
      return speechStopped(state, event);
    case "input_audio_buffer.cleared":
      return { ...state, entries: state.entries.filter((entry) => !unsettled(entry)) };
    case "input_audio_buffer.committed":
      return committed(state, event.item_id);
    case `${HEARD}.delta`:
      return changed(state, event.item_id, (entry) => ({ text: entry.partial + event.delta, partial: entry.partial + event.delta }));
    case `${HEARD}.completed`:
      return changed(state, event.item_id, () => ({ text: event.transcript, state: "done" }));
    case `${HEARD}.failed`:
      return changed(state, event.item_id, () => ({ state: "failed" }));
    case "conversation.item.added":
    case "conversation.item.done":
      return added(state, event.item);
    case "conversation.item.deleted":
      return { ...state, entries: state.entries.filter((entry) => entry.id !== event.item_id) };
    case "conversation.item.retrieved":
      return retrieved(state, event.item);
    case "response.created":
      return event.response.conversation_id === null ? state : began(state, event.response.id);
    case "response.output_item.added":
      return event.item.type === "message" ? changed(state, event.response_id, () => ({ itemId: event.item.id })) : state;
    case "response.reasoning_text.delta":
      return changed(state, event.response_id, (entry) => ({ thoughts: entry.thoughts + event.delta, thinking: true }));
    case "response.reasoning_text.done":
      return changed(state, event.response_id, () => ({ thoughts: event.text, thinking: false }));
    case "response.output_text.delta":
    case "response.output_audio_transcript.delta":
      return changed(state, event.response_id, (entry) => more(entry, event.delta));
    case "response.output_audio.delta":
      return changed(state, event.response_id, (entry) => ({ soundMs: entry.soundMs + durationMs(event.delta) }));
    case "response.function_call_arguments.done":
      return changed(state, event.response_id, (entry) => ({ calls: [...entry.calls, call(event)] }));
    case "soundmind.timings":
      return changed(state, event.response_id, (entry) => ({ times: { ...entry.times, ...stageTimes(event) } }));
    case "response.done":
      return done(state, event.response);
    case "page.played":
      return changedWhere(state, (entry) => entry.itemId === event.item_id, () => ({ playedMs: event.ms }));
    case "page.paced":
      return changedWhere(state, (entry) => entry.itemId === event.item_id, () => ({ begun: 0 }));
    case "soundmind.caption":
      return changed(state, event.response_id, (entry) => (entry.begun === null ? {} : { begun: entry.begun + event.delta.length }));
    case "output_audio_buffer.started":
      return changed(state, event.response_id, () => ({ playing: true }));
    case "output_audio_buffer.stopped":
      return changed(state, event.response_id, () => ({ playing: false, begun: null }));
    case "output_audio_buffer.cleared":
      return changed(state, event.response_id, unplayed);
    case "page.heard":
      return changed(state, event.response_id, () => ({ heardAfter: event.ms }));
    case "page.note":
      return noted(state, event.text);
    default:
      return state;
  }
}

/** What the conversation is doing: "hearing", "thinking", "speaking" or "quiet". */
export function activity(state) {
  const user = state.entries.findLast((entry) => entry.kind === "user");
  if (user?.state === "speaking") return "hearing";
  const reply = state.entries.findLast((entry) => entry.kind === "reply");
  if (reply && sounding(reply)) return "speaking";
  if (reply?.state === "open") return reply.text ? "speaking" : "thinking";
  return "quiet";
}

/** Whether there is sound of a reply that has not been heard yet. */
export function sounding(reply) {
  if (reply.begun !== null) return reply.playing && reply.heard === null;
  return reply.heard === null && reply.playedMs !== null && reply.soundMs - reply.playedMs > 60;
}

/**
 * A reply's words in three: heard, still to be heard, and never heard. Words count as heard when they have begun
 * to sound here; of a reply that was cut off the server says which were.
 */
export function caption(reply) {
  if (reply.heard !== null) {
    const unheard = reply.text.slice(reply.heard).trimStart(); // a struck out space looks like a dash
    return { heard: reply.text.slice(0, reply.text.length - unheard.length), coming: "", unheard };
  }
  if (reply.begun !== null) return { heard: reply.text.slice(0, reply.begun), coming: reply.text.slice(reply.begun), unheard: "" };
  const all = reply.playedMs === null || (reply.state !== "open" && !sounding(reply));
  const coming = all ? undefined : reply.marks.find(([, ms]) => ms >= reply.playedMs);
  const end = coming ? coming[0] : reply.text.length;
  return { heard: reply.text.slice(0, end), coming: reply.text.slice(end), unheard: "" };
}

/** How long the turn that a reply answers was spoken, up to its last voiced sample; null: it was typed. */
export function speechMs(state, reply) {
  const user = state.entries.find((entry) => entry.id === reply.user);
  if (!user?.spoken || user.startMs === null || user.endMs === null) return null;
  return Math.max(100, user.endMs - user.startMs - (reply.times?.turn_ended_ms ?? 0));
}

/** The stage times of a reply: the server's, and when its first sound was heard here. */
export function times(state, reply) {
  if (!reply.times || reply.heardAfter === null) return reply.times;
  const silence = speechMs(state, reply) === null ? 0 : reply.times.turn_ended_ms;
  return { ...reply.times, heard_ms: silence === null ? null : reply.heardAfter + silence };
}

/** What was said so far, as items that another session can begin with; words that nobody heard are left out. */
export function history(state) {
  return state.entries.flatMap((entry) => {
    if (entry.kind === "user" && entry.text) {
      return [{ id: entry.id, type: "message", role: "user", content: [{ type: "input_text", text: entry.text }] }];
    }
    const text = entry.kind === "reply" ? caption(entry).heard : "";
    if (!text) return [];
    return [{ id: entry.itemId, type: "message", role: "assistant", content: [{ type: "output_text", text }] }];
  });
}

/** After a new session took the place of a lost one: nothing is open any more, and its audio clock is new. */
export function orphaned(state) {
  const entries = state.entries
    .filter((entry) => !unsettled(entry))
    .map((one) => {
      const entry = one.kind === "reply" ? unplayed(one) : one;
      if (entry.kind === "reply" && entry.state === "open") return { ...entry, state: "incomplete", reason: "line_dropped", thinking: false };
      if (entry.kind === "user" && entry.state === "pausing") return { ...entry, state: entry.text ? "done" : "failed" };
      return entry;
    });
  return { ...state, entries, marks: [], newest: null };
}

/** What the server played of a reply, it does not play any further; it may say yet how much was heard. */
function unplayed(reply) {
  if (reply.begun === null) return reply;
  return { ...reply, heard: reply.heard ?? caption(reply).heard.length, begun: null, playing: false };
}

function changed(state, id, change) {
  return changedWhere(state, (entry) => entry.id === id, change);
}

function changedWhere(state, matches, change) {
  const at = state.entries.findLastIndex(matches);
  if (at < 0) return state;
  const entry = state.entries[at];
  const entries = state.entries.slice();
  entries[at] = { ...entry, ...change(entry) };
  return { ...state, entries };
}

function unsettled(entry) {
  return entry.kind === "user" && entry.spoken && !entry.committed;
}

function person(id, fields) {
  return { kind: "user", id, spoken: true, committed: false, text: "", partial: "", state: "speaking", startMs: null, endMs: null, ...fields };
}

function speechStarted(state, { item_id: id, audio_start_ms: startMs }) {
  const mark = { id, startMs, endMs: null };
  const entries = [...state.entries.filter((entry) => entry.id !== id), person(id, { startMs })];
  return { ...state, entries, marks: [...state.marks.slice(-19), mark], newest: id };
}

function speechStopped(state, { item_id: id, audio_end_ms: endMs }) {
  const marks = state.marks.map((mark) => (mark.id === id ? { ...mark, endMs } : mark));
  return changed({ ...state, marks }, id, () => ({ endMs, state: "pausing" }));
}

function committed(state, id) {
  if (state.entries.some((entry) => entry.id === id)) {
    return changed(state, id, (entry) => ({ committed: true, state: entry.state === "speaking" ? "pausing" : entry.state }));
  }
  const entry = person(id, { committed: true, state: "pausing" });
  return { ...state, entries: [...state.entries, entry], newest: id };
}

function added(state, item) {
  const known = state.entries.some((entry) => entry.id === item.id || entry.itemId === item.id);
  if (item.type === "function_call_output") return answered(state, item);
  if (known || item.type !== "message" || item.role !== "user") return state;
  const text = item.content.map((part) => part.text ?? part.transcript ?? "").join("");
  const spoken = item.content.some((part) => part.type === "input_audio");
  const entry = person(item.id, { spoken, committed: true, text, state: spoken && !text ? "pausing" : "done" });
  return { ...state, entries: [...state.entries, entry], newest: item.id };
}

function answered(state, item) {
  const has = (entry) => entry.kind === "reply" && entry.calls.some((made) => made.callId === item.call_id);
  return changedWhere(state, has, (entry) => ({
    calls: entry.calls.map((made) => (made.callId === item.call_id ? { ...made, output: item.output } : made)),
  }));
}

/** The server's word on what of a reply was heard. */
function retrieved(state, item) {
  if (item.role !== "assistant") return state;
  const text = item.content.map((part) => part.transcript ?? part.text ?? "").join("");
  return changedWhere(state, (entry) => entry.itemId === item.id, (entry) => ({
    heard: entry.text.startsWith(text) ? text.length : entry.text.length,
  }));
}

function began(state, id) {
  const entry = {
    kind: "reply",
    id,
    itemId: null,
    user: state.newest,
    thoughts: "",
    thinking: false,
    text: "",
    marks: [], // [characters, ms]: the words from there on begin with that sound
    soundMs: 0,
    playedMs: null, // null: not played here
    begun: null, // characters whose sound has begun, while the server plays it
    playing: false, // the server has begun to, and is not done
    heard: null, // characters, once a cut is known
    heardAfter: null, // ms after the end of the turn
    calls: [],
    state: "open",
    reason: null,
    times: null,
  };
  return { ...state, entries: [...state.entries.filter((other) => other.id !== id), entry] };
}

function more(entry, delta) {
  return { text: entry.text + delta, marks: [...entry.marks, [entry.text.length, entry.soundMs]] };
}

function call({ call_id: callId, name, arguments: given }) {
  return { callId, name, arguments: given, output: null };
}

/** Of several notes in a row the newest is left. */
function noted(state, text) {
  const last = state.entries.at(-1);
  const entries = last?.kind === "note" ? state.entries.slice(0, -1) : state.entries;
  return { ...state, entries: [...entries, { kind: "note", id: `note ${entries.length}`, text }] };
}

function stageTimes(event) {
  return Object.fromEntries(Object.entries(event).filter(([name]) => name.endsWith("_ms")));
}

function done(state, response) {
  const details = response.status_details;
  return changed(state, response.id, (entry) => ({
    state: response.status,
    ...(response.status === "completed" || entry.playing ? {} : { begun: null }), // it was cut before its first sound
    reason: details?.error?.message ?? details?.reason ?? null,
    thinking: false,
    text: entry.text || words(response),
  }));
}

function words(response) {
  const parts = (response.output ?? []).filter((item) => item.type === "message").flatMap((item) => item.content);
  return parts.map((part) => part.transcript ?? part.text ?? "").join("");
}
