/**
 * The settings, as a form. Each change counts at once: `changed(settings)`.
 *
 * What does not apply to the choices made is greyed out rather than taken away, so that nothing moves.
 */

import { DEFAULTS, checked } from "../settings.js";
import { make } from "./dom.js";

export class SettingsDialog {
  constructor(dialog, { server, settings, changed }) {
    this.dialog = dialog;
    this.form = dialog.querySelector("form");
    this.changed = changed;
    this.#offer("voice", server.voices);
    this.#offer("model", server.model ? [server.model] : []);
    if (!server.webrtc) this.form.elements.transport.querySelector("[value=webrtc]").textContent = "WebRTC (not here)";
    this.#show(settings);
    this.form.addEventListener("input", () => this.#read());
    dialog.querySelector("#reset").addEventListener("click", () => {
      this.#show({ ...DEFAULTS });
      this.#read();
    });
  }

  open() {
    this.dialog.showModal();
  }

  #offer(name, values) {
    const select = this.form.elements[name];
    for (const value of values ?? []) select.append(make("option", { value }, value));
  }

  #show(settings) {
    for (const [name, value] of Object.entries(settings)) {
      const field = this.form.elements[name];
      field.value = value;
      if (field.value !== value) field.value = DEFAULTS[name]; // a voice or model that this server does not have
    }
    this.#grey();
  }

  #read() {
    this.#grey();
    const values = [...this.form.elements].filter(({ name }) => name).map(({ name, value }) => [name, value]);
    this.changed(checked(Object.fromEntries(values)));
  }

  #grey() {
    const { talk, detection, output } = this.form.elements;
    const open = talk.value === "open";
    for (const [name, applies] of [
      ["detection", open],
      ["silence", open && detection.value === "server_vad"],
      ["eagerness", open && detection.value === "semantic_vad"],
      ["voice", output.value === "audio"],
      ["speed", output.value === "audio"],
    ]) {
      this.form.elements[name].disabled = !applies;
    }
  }
}
