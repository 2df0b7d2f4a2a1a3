/**
 * A line to the server that outlives its connections.
 *
 * `open` makes a connection (see the transports). When it drops, the link connects again, with the token that
 * the server gave for it (`soundmind.resume` of session.updated) and the id of the last event that was seen: the
 * conversation goes on where it was, and missed events come once. Without a token, or when it has expired,
 * it begins a new session, and says so. What is sent meanwhile waits, PENDING events at most. Sound that a line took
 * with it when it dropped is sent again: the server says how much it has, and the newest KEPT of it are kept.
 *
 * Told to `on`: opened(fresh) at every connection, event(event), lost(), gone().
 */

import { decode, durationMs, encode, RATE } from "./pcm.js";

const PENDING = 1500; // events: a minute of packets of sound
const KEPT = 10000; // ms of sound that was sent
const FIRST = 250; // ms until the first new try; doubled each time
const LONGEST = 4000;
const WITHOUT_TOKEN = 30000; // ms to go on trying
const ANSWER = 3000; // ms for what a session that goes on says first
const RESUME_ID = "page_resume"; // a server that cannot resume refuses this one event, and nothing is lost

export class Link {
  constructor(open, on, wait = (ms) => new Promise((done) => setTimeout(done, ms))) {
    this.open = open;
    this.on = on;
    this.wait = wait;
    this.transport = null;
    this.pending = [];
    this.token = null;
    this.seconds = 0;
    this.last = null; // id of the last event
    this.#forget();
    this.ended = false;
  }

  /** Connect for the first time. Rejects when that fails. */
  async start() {
    await this.#connect({});
    this.on.opened(true);
  }

  get connected() {
    return this.transport !== null;
  }

  send(event) {
    if (this.transport) {
      this.transport.send(event);
      if (event.type === "input_audio_buffer.append") this.#sent(event.audio);
    } else if (!this.ended && this.pending.length < PENDING) this.pending.push(event);
  }

  end() {
    this.ended = true;
    this.transport?.close();
    this.transport = null;
    this.pending = [];
  }

  async #connect(query) {
    let answer;
    let first = true;
    const answered = new Promise((resolve, reject) => {
      answer = (event) => {
        if (event.type === "error" && first) reject(new Error(event.error.message));
        else if (event.type === "soundmind.resumed") resolve(event.input_audio_ms);
        first = false;
      };
    });
    answered.catch(() => {});
    const transport = await this.open({
      query,
      told: (event) => {
        answer(event);
        this.#told(event);
      },
      closed: () => {
        first = true;
        answer({ type: "error", error: { message: "closed" } });
        if (this.transport === transport) this.#dropped();
      },
    });
    const here = query.resume ? await this.#accepted(transport, answered) : undefined;
    if (this.ended) {
      transport.close();
      return;
    }
    this.transport = transport;
    if (query.resume) this.pending.unshift(...this.#lacking(here));
    else this.#forget();
    if (!query.resume) this.send({ type: "session.update", event_id: RESUME_ID, session: { type: "realtime", soundmind: { resume: true } } });
  }

  // --- sound that was sent ---

  #forget() {
    this.sent = []; // {audio, ms}, the newest
    this.sentMs = 0; // of all in this session
    this.keptMs = 0; // of `sent`
  }

  #sent(audio) {
    const ms = durationMs(audio);
    this.sent.push({ audio, ms });
    this.sentMs += ms;
    this.keptMs += ms;
    while (this.keptMs > KEPT) this.keptMs -= this.sent.shift().ms;
  }

  /** What a server does not have that has `here` ms of it, as events. `undefined`: it did not say. */
  #lacking(here = this.sentMs) {
    const again = [];
    let lacking = this.sentMs - here;
    while (lacking > 0 && this.sent.length) {
      const { audio, ms } = this.sent.pop();
      const cut = Math.max(0, Math.round(((ms - lacking) * RATE) / 1000)); // samples that it has
      again.unshift({ type: "input_audio_buffer.append", audio: cut ? encode(decode(audio).subarray(cut)) : audio });
      lacking -= ms;
    }
    this.#forget();
    this.sentMs = here;
    return again;
  }

  // --- lines that drop ---

  /** How much sound it has. A server may refuse a token with its first event. Rejects then. */
  async #accepted(transport, answered) {
    try {
      return await Promise.race([answered, this.wait(ANSWER)]);
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  #told(event) {
    if (event.event_id) this.last = event.event_id;
    const resume = event.session?.soundmind?.resume;
    if (resume?.token) [this.token, this.seconds] = [resume.token, resume.seconds ?? 60];
    if (event.type === "error" && (event.error.event_id === RESUME_ID || event.error.code === "resume_failed")) return;
    if (!this.ended) this.on.event(event);
  }

  async #dropped() {
    this.transport = null;
    if (this.ended) return;
    this.on.lost();
    const patience = this.token ? this.seconds * 1000 : WITHOUT_TOKEN;
    for (let waited = 0, pause = FIRST; waited < patience && !this.ended; pause = Math.min(LONGEST, 2 * pause)) {
      await this.wait(pause);
      waited += pause;
      if (this.ended) return;
      if (await this.#again()) return;
    }
    if (!this.ended) {
      this.end();
      this.on.gone();
    }
  }

  /** One try to resume, or else one to begin anew. */
  async #again() {
    if (this.token) {
      const before = this.last;
      try {
        await this.#connect({ resume: this.token, ...(before ? { after: before } : {}) });
        return this.#opened(false);
      } catch {
        if (!(await this.#reachable())) return false; // the server is away: the token may still be good
      }
    }
    try {
      this.token = null;
      await this.#connect({});
      return this.#opened(true);
    } catch {
      return false;
    }
  }

  async #reachable() {
    try {
      return (await fetch("/healthz")).status < 500;
    } catch {
      return false;
    }
  }

  #opened(fresh) {
    if (this.ended) return true;
    this.on.opened(fresh);
    const waiting = this.pending;
    this.pending = [];
    for (const event of waiting) this.send(event);
    return true;
  }
}
