/**
 * Where the milliseconds of one turn went: from the server's stage times to bars on a time line.
 *
 * Pure: numbers in, numbers out; `view/waterfall-view.js` draws them. Zero is the end of speech, when the last
 * voiced sample reached the server, or, of a turn that nobody spoke, when the reply was asked for. A thought
 * may begin before the turn has ended: the server thinks ahead at a pause. So every stage has a lane of its own.
 */

const BEFORE = 1500; // ms of speech shown at most; what is longer is cut off at the left
const AFTER = 900; // ms of the reply shown behind the last stage; what is longer is cut off at the right
const STEPS = [50, 100, 200, 250, 500, 1000, 2000, 5000, 10000, 20000, 60000]; // between two ticks

/** Stages in order: their field in the times, and what they are called. */
export const STAGES = [
  ["turn_ended_ms", "turn ended"],
  ["first_thinking_ms", "first thought"],
  ["first_reply_ms", "first word"],
  ["first_sound_ms", "first sound"],
  ["heard_ms", "heard here"],
];

/** The stages that happened: [{name, ms}]. */
export function stages(times) {
  return STAGES.filter(([field]) => isTime(times[field])).map(([field, name]) => ({
    name,
    ms: Math.round(times[field]),
  }));
}

/**
 * Bars and ticks. `times`: the fields of STAGES and done_ms, milliseconds or null. `speechMs`: how long was
 * spoken, null: typed. `soundMs`: how long the spoken reply is.
 *
 * Returns {lanes: [{kind, name, bars: [{from, to, openLeft, openRight, kind}]}], ticks: [ms], from, to}, all in
 * ms; a lane without bars stays, so that all turns look alike.
 */
export function layout(times, { speechMs = null, soundMs = 0 } = {}) {
  const at = (field) => (isTime(times[field]) ? times[field] : null);
  const ended = at("turn_ended_ms");
  const thought = at("first_thinking_ms");
  const word = at("first_reply_ms");
  const sound = at("first_sound_ms");
  const done = at("done_ms");
  const last = Math.max(0, ...[ended, thought, word, sound, sound === null ? done : null].filter(isTime));
  const from = speechMs ? -Math.min(speechMs, BEFORE) : -0.05 * last;
  const to = last + Math.max(200, Math.min(AFTER, 0.35 * (last - from), soundMs || AFTER));
  const bar = (kind, start, end) => {
    if (start === null || end === null || end < start || end < from || start > to) return [];
    const [left, right] = [Math.max(start, from), Math.min(end, to)];
    return [{ kind, from: left, to: right, openLeft: start < from, openRight: end > to }];
  };
  const lanes = [
    { kind: "speech", name: "You", bars: speechMs ? bar("speech", -speechMs, 0) : [] },
    { kind: "silence", name: "Silence", bars: bar("silence", 0, ended) },
    { kind: "thinking", name: "Thinking", bars: bar("thinking", thought, first(word, done)) },
    { kind: "words", name: "Words", bars: bar("words", word, first(sound, done)) },
    {
      kind: "sound",
      name: "Voice",
      bars: sound === null ? [] : bar("sound", sound, sound + (soundMs || done - sound)),
    },
  ];
  return { lanes, ticks: ticks(from, to), from, to };
}

/** One sentence for those who do not see it. */
export function sentence(times) {
  const told = stages(times);
  if (!told.length) return "No stage times.";
  return `After the end of speech: ${told.map(({ name, ms }) => `${name} ${duration(ms)}`).join(", ")}.`;
}

/** Milliseconds in words of the right size: "380 ms", "1.2 s". */
export function duration(ms) {
  return Math.abs(ms) < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9950 ? 2 : 1)} s`;
}

function ticks(from, to) {
  const step = STEPS.find((size) => (to - from) / size <= 6) ?? STEPS.at(-1);
  const out = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) out.push(at === 0 ? 0 : at);
  return out;
}

function isTime(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function first(...values) {
  return values.find((value) => value !== null) ?? null;
}
