/**
 * A line to the server that outlives its connections.
 *
 * `open` makes a connection (see the transports). When it drops, the link connects again, with the token that
 * the server gave for it (`soundmind.resume` of session.updated) and the id of the last event that was seen: the
 * conversation goes on where it was, and missed events come once. Without a token, or when it has expired,
 * it begins a new session, and says so. What is sent meanwhile waits, PENDING events at most. Knows no sound.
 *
 * Told to `on`: opened(fresh) at every connection, event(event), lost(), gone().
 */

const PENDING = 1500; // events: a minute of packets of sound
const FIRST = 250; // ms until the first new try; doubled each time
const LONGEST = 4000;
const WITHOUT_TOKEN = 30000; // ms to go on trying
const ANSWER = 3000; // ms for the first event of a session that goes on
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
    if (this.transport) this.transport.send(event);
    else if (!this.ended && this.pending.length < PENDING) this.pending.push(event);
  }

  end() {
    this.ended = true;
    this.transport?.close();
    this.transport = null;
    this.pending = [];
  }

  async #connect(query) {
    let answer;
    const answered = new Promise((resolve, reject) => {
      answer = (event) => (event.type === "error" ? reject(new Error(event.error.message)) : resolve());
    });
    answered.catch(() => {});
    const transport = await this.open({
      query,
      told: (event) => {
        answer(event);
        this.#told(event);
      },
      closed: () => {
        answer({ type: "error", error: { message: "closed" } });
        if (this.transport === transport) this.#dropped();
      },
    });
    if (query.resume) await this.#accepted(transport, answered);
    if (this.ended) {
      transport.close();
      return;
    }
    this.transport = transport;
    if (!query.resume) this.send({ type: "session.update", event_id: RESUME_ID, session: { type: "realtime", soundmind: { resume: true } } });
  }

  /** A server may refuse a token with its first event. Rejects then. */
  async #accepted(transport, answered) {
    try {
      await Promise.race([answered, this.wait(ANSWER)]);
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
