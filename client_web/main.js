/**
 * The page: puts the conversation, its views and the controls together.
 *
 * Drawing happens once a frame however many events came. `app` is exported for the console and for tests.
 */

import { Conversation } from "./conversation.js";
import { describe, secretFor } from "./doors.js";
import * as explain from "./explain.js";
import { read, write as keep } from "./settings.js";
import { caption, reduce } from "./state.js";
import { left } from "./tools.js";
import { make, write } from "./view/dom.js";
import { Entries } from "./view/entries.js";
import { SettingsDialog } from "./view/settings-dialog.js";
import { Strip } from "./view/strip.js";

const EXAMPLES = [
  "What is twenty seven plus fifteen?",
  "What time is it two hours after half past three?",
  "What is the opposite of big?",
  "Sort nine two four.",
  "Set a timer for five minutes.",
];
const WORLD = "nano, the small model that comes with the server, knows numbers, clocks, days, words and names. Everything else it says it did not understand.";
const ACTIVITIES = { hearing: "You are speaking", thinking: "Thinking", speaking: "Speaking", quiet: "Listening" };
const LINES = { off: "Not connected", connecting: "Connecting", lost: "Reconnecting" };

const $ = (id) => document.getElementById(id);

class App {
  constructor(server) {
    this.server = server;
    this.secret = null; // {value, expiresAt}
    this.drawing = false;
    this.announced = null; // id of the reply that was read out last
    this.settings = read(localStorage);
    this.entries = new Entries($("conversation"));
    this.strip = new Strip($("strip"));
    this.conversation = new Conversation({
      settings: this.settings,
      server,
      secret: () => this.secret?.value ?? null,
      audio: $("remote"),
      changed: () => this.#changed(),
      told: (sentence, kind) => this.#told(sentence, kind),
    });
    this.dialog = new SettingsDialog($("settings"), {
      server,
      settings: this.settings,
      changed: (settings) => this.#set(settings),
    });
    this.#listen();
    this.#examples();
    this.#draw();
  }

  async start(options) {
    write($("trouble"), "");
    if (this.server.key && !(this.secret && Date.now() < this.secret.expiresAt - 60000)) {
      this.secret = await askForKey();
      if (!this.secret) return false;
    }
    await this.conversation.start(options);
    return this.conversation.live;
  }

  async say(text) {
    write($("trouble"), "");
    if (this.conversation.live || (await this.start({ microphone: false }))) this.conversation.say(text);
  }

  #listen() {
    const { conversation } = this;
    $("talk").addEventListener("click", () => this.start({ microphone: true }));
    $("end").addEventListener("click", () => {
      conversation.end();
      $("talk").focus();
    });
    $("mute").addEventListener("click", () => conversation.mute(!conversation.muted));
    $("stop").addEventListener("click", () => conversation.stop());
    $("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("question").value.trim();
      $("question").value = "";
      if (text) this.say(text);
    });
    $("open-settings").addEventListener("click", () => this.dialog.open());
    const push = $("push");
    push.addEventListener("pointerdown", (event) => {
      push.setPointerCapture(event.pointerId);
      conversation.press(true);
    });
    for (const kind of ["pointerup", "pointercancel", "blur"]) push.addEventListener(kind, () => conversation.press(false));
    push.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      conversation.press(true);
    });
    push.addEventListener("keyup", (event) => (event.key === " " || event.key === "Enter") && conversation.press(false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) conversation.stop();
    });
    document.addEventListener("pointerdown", async () => {
      await conversation.touched();
      if ($("trouble").textContent === explain.AUTOPLAY && !conversation.speaker.held) write($("trouble"), "");
    });
    addEventListener("pagehide", () => conversation.end());
    setInterval(() => this.#timers(), 1000);
  }

  #examples() {
    for (const text of EXAMPLES) {
      const button = make("button", { type: "button" }, text);
      button.addEventListener("click", () => this.say(text));
      $("examples").append(make("li", {}, button));
    }
    if (this.server.model === "nano") write($("world"), WORLD);
  }

  #set(settings) {
    this.settings = settings;
    keep(localStorage, settings);
    this.conversation.configure(settings);
  }

  #told(sentence, kind) {
    if (kind === "error") write($("trouble"), sentence);
    else {
      this.conversation.state = reduce(this.conversation.state, { type: "page.note", text: sentence });
      write($("announcer"), sentence);
    }
    this.#changed();
  }

  #changed() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const { conversation, settings } = this;
    const { state, line, live, microphone } = conversation;
    const transport = { websocket: "over WebSocket", webrtc: "over WebRTC" }[conversation.transport];
    write($("line-state"), LINES[line] ?? "Connected");
    write($("line-kind"), line === "open" && transport ? ` ${transport}` : "");
    $("line").dataset.line = line;
    $("welcome").hidden = state.entries.length > 0;
    write($("welcome-title"), live && microphone ? "Go ahead." : "Talk to it.");
    this.entries.thoughtsOpen = settings.thoughts === "open";
    this.entries.update(state);

    const push = settings.talk === "push";
    $("talk").hidden = live && microphone !== null;
    $("talk").disabled = line === "connecting" || conversation.opening;
    write($("talk"), conversation.opening ? "Waiting for the microphone" : line === "connecting" ? "Connecting" : "Start talking");
    $("push").hidden = !(live && microphone && push);
    $("push").classList.toggle("down", conversation.pressed);
    write($("push"), conversation.pressed ? "Release to send" : "Hold to talk");
    $("mute").hidden = !(live && microphone && !push);
    $("mute").setAttribute("aria-pressed", String(conversation.muted));
    write($("mute"), conversation.muted ? "Muted" : "Mute");
    $("stop").hidden = $("end").hidden = !live;
    const { activity } = conversation;
    $("stop").disabled = activity !== "thinking" && activity !== "speaking";
    $("meter").hidden = !(live && microphone);
    write($("activity"), this.#activity(activity));
    if (!$("meter").hidden) this.strip.draw(conversation.levels, state.marks);
    this.#announce(state);
  }

  #activity(activity) {
    const { line, muted } = this.conversation;
    if (line === "lost") return "Reconnecting";
    if (activity !== "quiet") return ACTIVITIES[activity];
    if (this.settings.talk === "push") return this.conversation.pressed ? "Recording" : "Ready";
    return muted ? "Muted" : ACTIVITIES.quiet;
  }

  /** A screen reader hears each reply once, when it is whole: while it streams it is spoken aloud anyway. */
  #announce(state) {
    const reply = state.entries.findLast((entry) => entry.kind === "reply");
    if (!reply || reply.state === "open" || reply.id === this.announced || !reply.text) return;
    this.announced = reply.id;
    if (!reply.soundMs && this.conversation.transport !== "webrtc") write($("announcer"), `Soundmind: ${caption(reply).heard}`);
  }

  #timers() {
    const { running } = this.conversation.timers;
    $("timers").hidden = running.length === 0;
    const lines = running.map((timer) => make("li", {}, `${timer.minutes} min timer: ${left(timer, Date.now())}`));
    $("timers").replaceChildren(...lines);
  }
}

/** Resolves to a client secret, null where none was entered. */
function askForKey() {
  const dialog = $("key");
  const form = dialog.querySelector("form");
  const field = form.elements.key;
  write($("key-trouble"), "");
  dialog.showModal();
  return new Promise((resolve) => {
    let secret = null;
    form.onsubmit = async (event) => {
      event.preventDefault();
      const key = field.value;
      field.value = "";
      try {
        secret = await secretFor(key);
        dialog.close();
      } catch (error) {
        write($("key-trouble"), explain.server(error));
        field.focus();
      }
    };
    form.querySelector("[value=cancel]").onclick = () => dialog.close();
    dialog.onclose = () => resolve(secret);
  });
}

async function begin() {
  for (;;) {
    try {
      return new App(await describe());
    } catch (error) {
      console.info("client.json:", error.message);
      write($("trouble"), explain.GONE);
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

export const app = await begin();
write($("trouble"), "");
