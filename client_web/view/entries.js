/**
 * The conversation on the page: an element for each entry of the state, changed only where the entry has.
 *
 * Nothing that stands is moved: text grows at its end, thoughts have one line until they are opened, and the page
 * follows the end only while the reader is there.
 */

import { ending } from "../explain.js";
import { caption, speechMs, times } from "../state.js";
import { make, write } from "./dom.js";
import { WaterfallView } from "./waterfall-view.js";

const NEAR = 80; // px from the end within which the page follows it

export class Entries {
  constructor(list) {
    this.list = list;
    this.views = new Map(); // by the ids of entries: {entry, view}
    this.thoughtsOpen = false;
  }

  update(state) {
    const follow = state.entries.length > 0 && innerHeight + scrollY > document.documentElement.scrollHeight - NEAR;
    const known = new Set(state.entries.map((entry) => entry.id));
    for (const [id, { view }] of this.views) {
      if (known.has(id)) continue;
      view.root.remove();
      this.views.delete(id);
    }
    state.entries.forEach((entry, at) => this.#show(state, entry, at));
    this.list.hidden = state.entries.length === 0;
    if (follow) scrollTo({ top: document.documentElement.scrollHeight });
  }

  #show(state, entry, at) {
    let shown = this.views.get(entry.id);
    if (!shown) {
      shown = { entry: null, view: new VIEWS[entry.kind](this.thoughtsOpen) };
      this.views.set(entry.id, shown);
    }
    if (this.list.children[at] !== shown.view.root) this.list.insertBefore(shown.view.root, this.list.children[at] ?? null);
    if (shown.entry === entry) return;
    shown.entry = entry;
    shown.view.update(entry, state);
  }
}

class UserView {
  constructor() {
    this.words = make("p", { class: "words" });
    this.root = make("li", { class: "entry user" }, make("p", { class: "who" }, "You"), this.words);
  }

  update(entry) {
    const waiting = entry.state === "speaking" || entry.state === "pausing";
    this.words.classList.toggle("waiting", waiting);
    write(this.words, entry.state === "failed" && !entry.text ? "(heard, but not written down)" : entry.text);
  }
}

class NoteView {
  constructor() {
    this.words = make("p");
    this.root = make("li", { class: "entry note" }, this.words);
  }

  update(entry) {
    write(this.words, entry.text);
  }
}

class ReplyView {
  constructor(thoughtsOpen) {
    this.newest = make("span", { class: "newest" });
    this.title = make("span", {}, "Thoughts");
    this.chain = make("pre");
    this.thoughts = make("details", { class: "thoughts" }, make("summary", {}, this.title, this.newest), this.chain);
    this.thoughts.open = thoughtsOpen;
    this.heard = make("span", { class: "heard" });
    this.coming = make("span", { class: "coming" });
    this.unheard = make("s", { class: "unheard" });
    this.words = make("p", { class: "caption" }, this.heard, this.coming, this.unheard);
    this.calls = make("ul", { class: "calls", "aria-label": "Function calls", hidden: "" });
    this.ending = make("p", { class: "ending", hidden: "" });
    this.waterfall = new WaterfallView();
    const said = make("div", { class: "said" }, make("p", { class: "who" }, "Soundmind"), this.thoughts, this.words, this.calls, this.ending);
    this.root = make("li", { class: "entry reply" }, said, this.waterfall.root);
  }

  update(entry, state) {
    const open = entry.state === "open";
    const thoughts = entry.thoughts.trim();
    this.thoughts.hidden = !thoughts && !open;
    write(this.title, entry.thinking ? "Thinking" : "Thoughts");
    write(this.newest, thoughts.split("\n").at(-1));
    write(this.chain, thoughts);
    const { heard, coming, unheard } = caption(entry);
    write(this.heard, heard);
    write(this.coming, coming);
    write(this.unheard, unheard);
    this.words.hidden = !entry.text && (!open || entry.calls.length > 0);
    this.words.classList.toggle("waiting", open && !entry.text && !entry.calls.length);
    this.#called(entry.calls);
    const why = ending(entry);
    this.ending.hidden = !why;
    this.ending.classList.toggle("failed", entry.state === "failed");
    write(this.ending, unheard ? `${why} (struck out: not heard)` : why);
    this.waterfall.update(times(state, entry), { speechMs: speechMs(state, entry), soundMs: entry.soundMs, expected: open });
  }

  #called(calls) {
    this.calls.hidden = calls.length === 0;
    const texts = calls.map((call) => `${call.name}(${call.arguments})`);
    calls.forEach((call, at) => {
      let line = this.calls.children[at];
      if (!line) this.calls.append((line = make("li", {}, make("span"), make("span", { class: "gives" }))));
      write(line.children[0], texts[at]);
      write(line.children[1], call.output === null ? "" : ` gave ${call.output}`);
    });
  }
}

const VIEWS = { user: UserView, reply: ReplyView, note: NoteView };
