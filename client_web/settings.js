/**
 * What the user has set, where it is kept, and what the server is told of it.
 *
 * `read` and `write` take a storage, so that they can be tried without a browser; what is stored is checked on
 * the way in, since an older page may have written it. No key and nothing that was said is ever stored.
 */

const NAME = "soundmind.settings";

/** Each setting: its default, and the values it may have (null: any text). */
const CHOICES = {
  transport: ["auto", ["auto", "webrtc", "websocket"]],
  model: ["", null],
  voice: ["", null],
  speed: ["1", ["0.75", "1", "1.25", "1.5"]],
  output: ["audio", ["audio", "text"]],
  effort: ["medium", ["none", "minimal", "low", "medium", "high", "xhigh"]],
  pace: ["think_then_speak", ["think_then_speak", "think_first", "speak_first"]],
  talk: ["open", ["open", "push"]],
  detection: ["server_vad", ["server_vad", "semantic_vad"]],
  eagerness: ["auto", ["auto", "low", "medium", "high"]],
  silence: ["500", ["300", "500", "800", "1200"]],
  instructions: ["", null],
  thoughts: ["folded", ["folded", "open"]],
  timer: ["on", ["on", "off"]],
};

const LONGEST = 4000; // characters of a text

export const DEFAULTS = Object.freeze(
  Object.fromEntries(Object.entries(CHOICES).map(([name, [value]]) => [name, value])),
);

/** Settings out of anything: what is not a choice is as if it had not been set. */
export function checked(wanted) {
  return Object.fromEntries(
    Object.entries(CHOICES).map(([name, [value, choices]]) => {
      const given = wanted?.[name];
      const good = typeof given === "string" && (choices ? choices.includes(given) : given.length <= LONGEST);
      return [name, good ? given : value];
    }),
  );
}

/** The settings of last time; the defaults where there are none, or where the browser keeps nothing. */
export function read(storage) {
  try {
    return checked(JSON.parse(storage.getItem(NAME) ?? "{}"));
  } catch {
    return { ...DEFAULTS };
  }
}

/** Returns whether the browser kept them. */
export function write(storage, settings) {
  try {
    storage.setItem(NAME, JSON.stringify(settings));
    return true;
  } catch {
    return false; // private windows, full disks
  }
}

/** The `session` of session.update. `tools` are those on offer. */
export function session(settings, tools) {
  const output = { speed: Number(settings.speed), ...(settings.voice ? { voice: settings.voice } : {}) };
  return {
    type: "realtime",
    instructions: settings.instructions,
    output_modalities: [settings.output],
    reasoning: { effort: settings.effort },
    soundmind: { pace: settings.pace },
    tools: settings.timer === "on" ? tools : [],
    audio: {
      input: { transcription: { model: "default" }, turn_detection: detection(settings) },
      output,
    },
  };
}

function detection(settings) {
  if (settings.talk === "push") return null;
  if (settings.detection === "semantic_vad") return { type: "semantic_vad", eagerness: settings.eagerness };
  return { type: "server_vad", silence_duration_ms: Number(settings.silence) };
}
