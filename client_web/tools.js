/**
 * What the page itself can do for the model: timers.
 *
 * `TOOLS` goes into the session; `run` does what was called for, and returns its result as JSON text. A call that
 * makes no sense gets an error to read, as a function would give one.
 */

export const TOOLS = [
  {
    type: "function",
    name: "set_timer",
    description: "Set a timer.",
    parameters: { type: "object", properties: { minutes: { type: "integer" } }, required: ["minutes"] },
  },
];

const MOST = 8; // timers at a time
const LONGEST = 24 * 60; // minutes

export class Timers {
  /** `changed()` when one was set or is over; `rang(timer)` when its time has come. */
  constructor({ changed, rang, now = () => Date.now() }) {
    this.changed = changed;
    this.rang = rang;
    this.now = now;
    this.running = []; // {minutes, endsAt}, endsAt in ms since 1970
  }

  run(name, text) {
    if (name !== "set_timer") return failed("no such function");
    let minutes;
    try {
      ({ minutes } = JSON.parse(text));
    } catch {
      return failed("the arguments are no JSON");
    }
    if (!Number.isInteger(minutes) || minutes < 1 || minutes > LONGEST) return failed("minutes: expected 1 to 1440");
    if (this.running.length >= MOST) return failed("too many timers");
    const timer = { minutes, endsAt: this.now() + minutes * 60000 };
    this.running = [...this.running, timer];
    setTimeout(() => {
      this.running = this.running.filter((other) => other !== timer);
      this.changed();
      this.rang(timer);
    }, minutes * 60000);
    this.changed();
    return JSON.stringify({ ok: true });
  }
}

/** Time left, as 4:59. */
export function left(timer, now) {
  const seconds = Math.max(0, Math.ceil((timer.endsAt - now) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function failed(error) {
  return JSON.stringify({ error });
}
