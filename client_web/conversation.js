/**
 * One conversation: microphone and speaker, the link to the server, and what is known of it all.
 *
 * The server's events go through `reduce`; what has to be done about them is done here: play, fall silent when
 * the user cuts in, say what was heard, run tools, tell a new session what was said. `changed()` is called after
 * each change, `told(sentence, kind)` with what the user should read. Knows no DOM but the `<audio>` element that
 * WebRTC needs.
 */

import * as explain from "./explain.js";
import { Link } from "./link.js";
import { openMicrophone } from "./microphone.js";
import { decode, encode } from "./pcm.js";
import { session } from "./settings.js";
import { Speaker } from "./speaker.js";
import { EMPTY, activity, history, orphaned, reduce } from "./state.js";
import { TOOLS, Timers } from "./tools.js";
import { openWebRtc } from "./transport-webrtc.js";
import { openWebSocket } from "./transport-websocket.js";

const PACKET_MS = 40;
const SHORTEST_MS = 200; // of sound that is worth an answer
const TRAVEL_MS = 200; // from the microphone to the server's buffer, over WebRTC
const LEVELS = 250; // packets of which the level is kept: 10 s

export class Conversation {
  constructor({ settings, server, secret, audio, changed, told }) {
    Object.assign(this, { settings, server, secret, changed, told });
    this.state = EMPTY;
    this.line = "off"; // "off", "connecting", "open", "lost"
    this.link = null;
    this.microphone = null;
    this.opening = false; // the browser is asking about the microphone
    this.muted = false;
    this.pressed = false; // push to talk
    this.levels = []; // {level, ms}: ms on the server's clock of the sound, null: not sent
    this.sentMs = 0; // sound sent in this session
    this.sentAt = 0; // when the newest of it was
    this.carrier = null; // the transport of the conversation, which goes on over the same one
    this.astray = false; // nobody knows how much of the sound sent has come
    this.askedAt = null; // when the newest typed turn was sent
    this.pressedMs = 0; // sound sent since the button went down
    this.asking = false; // a reply is to be asked for once the one that is being stopped is done
    this.calls = 0; // results of tools that the next reply is about
    this.speaker = new Speaker(audio, (played) => this.#played(played));
    this.audio = audio;
    this.timers = new Timers({ changed, rang: ({ minutes }) => told(`The ${minutes} minute timer is over.`, "timer") });
  }

  get live() {
    return this.line !== "off";
  }

  get activity() {
    return activity(this.state);
  }

  /** "websocket", "webrtc", or null while there is no line. */
  get transport() {
    return this.link?.transport?.kind ?? null;
  }

  /** Connect, where there is no line yet, and open the microphone, if wanted. Call it from a click. */
  async start({ microphone }) {
    const sound = this.speaker.open();
    if (microphone && !this.microphone) await this.#openMicrophone();
    await sound;
    if (this.live || (microphone && !this.microphone)) return;
    this.#line("connecting");
    this.state = orphaned(this.state);
    this.link = new Link((options) => this.#open(options), {
      opened: (fresh) => this.#opened(fresh),
      event: (event) => this.#event(event),
      lost: () => this.#lost(),
      gone: () => this.#gone(),
    });
    const link = this.link;
    try {
      await link.start();
    } catch (error) {
      if (link !== this.link) return; // ended meanwhile
      link.end();
      this.#line("off");
      this.#closeMicrophone();
      this.told(explain.GONE, "error");
    }
    if (this.speaker.held) this.told(explain.AUTOPLAY, "error");
  }

  end() {
    this.#hush();
    this.link?.end();
    this.link = null;
    this.audio.srcObject = null;
    this.#closeMicrophone();
    this.state = orphaned(this.state);
    this.#line("off");
  }

  mute(on) {
    this.muted = on;
    this.#hear();
    this.changed();
  }

  /** Push to talk: the button goes down, or up. */
  press(down) {
    if (down === this.pressed || !this.microphone || !this.link) return;
    this.pressed = down;
    if (down) {
      this.stop();
      this.#send({ type: "input_audio_buffer.clear" });
      this.pressedMs = 0;
      this.#hear();
    } else {
      setTimeout(() => this.#release(), this.transport === "webrtc" ? TRAVEL_MS : 0);
    }
    this.changed();
  }

  #release() {
    if (this.pressed) return;
    this.#hear();
    if (this.pressedMs < SHORTEST_MS) return;
    this.#send({ type: "input_audio_buffer.commit" });
    this.askedAt = performance.now();
    this.#ask();
  }

  /** Nothing leaves the microphone while it is muted, or the button is not held. */
  #hear() {
    this.microphone?.mute(this.muted || (this.settings.talk === "push" && !this.pressed));
  }

  /** A typed turn. Whoever types cuts in, too. */
  say(text) {
    this.stop();
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    this.#send({ type: "conversation.item.create", item });
    this.askedAt = performance.now();
    this.#ask();
  }

  /** Stop the reply that is being made or spoken. */
  stop() {
    if (this.state.entries.some((entry) => entry.kind === "reply" && entry.state === "open")) {
      this.#send({ type: "response.cancel" });
    }
    if (this.transport === "webrtc") this.#send({ type: "output_audio_buffer.clear" });
    this.#hush();
  }

  /** New settings: those of the session take effect at once, transport and model with the next connection. */
  configure(settings) {
    this.settings = settings;
    this.#hear();
    if (this.link?.connected) this.#update();
    this.changed();
  }

  /** Somebody touched the page: sound that was held back may begin. */
  async touched() {
    if (!this.speaker.held) return;
    await this.speaker.open();
    if (this.audio.srcObject) await this.audio.play().catch(() => {});
  }

  // --- the line ---

  async #open({ query, told, closed }) {
    const model = this.settings.model || this.server.model;
    const options = { query: new URLSearchParams({ model, ...query }), secret: this.secret(), told, closed };
    const wanted = query.resume ? this.carrier : this.settings.transport;
    if (wanted !== "websocket" && !this.server.webrtc) {
      if (wanted === "webrtc") this.told(explain.NO_WEBRTC, "note");
    } else if (wanted !== "websocket") {
      try {
        const heard = (stream) => this.speaker.watch(stream);
        return await openWebRtc({ ...options, track: this.microphone?.track, audio: this.audio, heard });
      } catch (error) {
        console.info("WebRTC:", error.message);
        if (query.resume) throw error;
        this.told(explain.FALLBACK, "note");
      }
    }
    return openWebSocket(options);
  }

  #opened(fresh) {
    const again = this.line === "lost";
    this.carrier = this.transport;
    this.#line("open");
    if (!fresh) {
      this.astray ||= this.carrier === "webrtc"; // what was sent while the line was dropping is gone
      this.told(explain.RESUMED, "note");
      return;
    }
    const said = history(this.state);
    this.state = orphaned(this.state);
    this.levels = this.levels.map(({ level }) => ({ level, ms: null }));
    this.sentMs = 0;
    this.astray = false;
    this.asking = false;
    this.calls = 0;
    this.#update();
    for (const item of said) this.#send({ type: "conversation.item.create", item });
    if (again) this.told(explain.RESTARTED, "note");
    this.changed();
  }

  #lost() {
    this.#line("lost");
    this.told(explain.LOST, "note");
  }

  #gone() {
    this.#closeMicrophone();
    this.link = null;
    this.#line("off");
    this.told(explain.GONE, "error");
  }

  #line(line) {
    this.line = line;
    this.changed();
  }

  #send(event) {
    this.link?.send(event);
  }

  #update() {
    this.#send({ type: "session.update", session: session(this.settings, TOOLS) });
  }

  // --- the microphone ---

  async #openMicrophone() {
    this.opening = true;
    this.changed();
    try {
      this.microphone = await openMicrophone({
        packet: (packet) => this.#packet(packet),
        lost: () => {
          this.#closeMicrophone();
          this.told(explain.MICROPHONE_LOST, "error");
        },
      });
      this.#hear();
      await this.link?.transport?.setTrack?.(this.microphone.track);
    } catch (error) {
      this.told(explain.microphone(error), "error");
    } finally {
      this.opening = false;
      this.changed();
    }
  }

  #closeMicrophone() {
    this.microphone?.close();
    this.microphone = null;
    this.pressed = false;
    this.changed();
  }

  #packet({ pcm, level }) {
    const track = this.carrier === "webrtc"; // which keeps nothing until a lost line is there again
    const open = this.link !== null && this.line !== "connecting" && !(track && this.line === "lost");
    const sent = open && (this.settings.talk === "open" || this.pressed);
    this.levels.push({ level, ms: sent && !this.astray ? this.sentMs : null });
    if (this.levels.length > LEVELS) this.levels.shift();
    if (!sent) return;
    if (!track) this.#send({ type: "input_audio_buffer.append", audio: encode(pcm) });
    this.sentMs += PACKET_MS;
    this.pressedMs += PACKET_MS;
    this.sentAt = performance.now();
  }

  // --- what the server says ---

  #event(event) {
    this.state = reduce(this.state, event);
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#hush();
        break;
      case "response.content_part.added":
        if (event.part.type === "audio") {
          const played = this.transport === "websocket" ? { type: "page.played", ms: 0 } : { type: "page.paced" };
          this.state = reduce(this.state, { ...played, item_id: event.item_id });
        }
        break;
      case "response.output_audio.delta":
        this.speaker.push(event.item_id, decode(event.delta));
        break;
      case "output_audio_buffer.started":
        this.#started(event.response_id);
        break;
      case "conversation.item.truncated":
        this.#send({ type: "conversation.item.retrieve", item_id: event.item_id });
        break;
      case "response.function_call_arguments.done":
        this.#call(event);
        break;
      case "response.done":
        this.#done(event.response);
        break;
      case "error":
        this.#failed(event.error);
        break;
    }
    this.changed();
  }

  #failed(error) {
    const harmless = ["response_cancel_not_active", "input_audio_buffer_commit_empty"];
    if (harmless.includes(error.code)) return;
    this.told(explain.server(error), "error");
  }

  #call({ call_id, name, arguments: given }) {
    const output = this.timers.run(name, given);
    this.#send({ type: "conversation.item.create", item: { type: "function_call_output", call_id, output } });
    this.calls += 1;
  }

  #done(response) {
    if (response.conversation_id === null) return;
    const told = this.calls > 0 && response.status === "completed";
    if (this.asking || told) this.#send({ type: "response.create" });
    this.asking = false;
    this.calls = 0;
  }

  /** A reply to what was sent, once the one that is being stopped is done. */
  #ask() {
    if (this.state.entries.some((entry) => entry.kind === "reply" && entry.state === "open")) this.asking = true;
    else this.#send({ type: "response.create" });
  }

  // --- what is heard ---

  #played({ item, ms }) {
    const reply = this.state.entries.findLast((entry) => entry.itemId === item);
    if (reply && reply.heardAfter === null) this.#firstSound(reply, ms);
    this.state = reduce(this.state, { type: "page.played", item_id: item, ms });
    this.changed();
  }

  /** Over WebRTC: the first sound of a response has been sent, and is soon heard. */
  async #started(id) {
    const began = await this.speaker.begun();
    const reply = this.state.entries.find((entry) => entry.id === id);
    if (reply && began !== null) this.#began(reply, began);
    this.changed();
  }

  #firstSound(reply, ms) {
    this.#began(reply, performance.now() - ms + this.speaker.delayMs);
  }

  /** How long after the end of the turn, or of the question typed, the first sound of a reply was heard here. */
  #began(reply, at) {
    const user = this.state.entries.find((entry) => entry.id === reply.user);
    if (user?.spoken && this.astray) return;
    const ended = user?.spoken && user.endMs !== null ? this.sentAt - (this.sentMs - user.endMs) : this.askedAt;
    if (ended === null) return;
    this.state = reduce(this.state, { type: "page.heard", response_id: reply.id, ms: at - ended });
  }

  /** Fall silent, and tell the server how much was heard. */
  async #hush() {
    if (this.transport === "webrtc") return; // the server falls silent, and knows how much was heard
    const cut = await this.speaker.flush();
    const reply = cut && this.state.entries.findLast((entry) => entry.itemId === cut.item);
    if (!reply || reply.heard !== null || (!cut.droppedMs && reply.state === "completed")) return;
    this.#send({ type: "conversation.item.truncate", item_id: cut.item, content_index: 0, audio_end_ms: cut.ms });
  }
}
