/**
 * Playback on the audio thread: takes pieces of items, and tells how much of each was played.
 *
 * Takes {item, samples} and {flush: id}; posts {item, played} every EVERY samples and when it falls
 * silent, and {flushed: id, item, played, dropped}. Its context runs at the wire's rate.
 */

import { Playout } from "../playout.js";

const EVERY = 1200; // samples: 50 ms

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.playout = new Playout();
    this.since = 0; // samples played since it was last told
    this.port.onmessage = ({ data }) => {
      if ("flush" in data) {
        this.port.postMessage({ flushed: data.flush, ...this.playout.flush() });
      } else {
        this.playout.push(data.item, data.samples);
      }
    };
  }

  process(_inputs, [[out]]) {
    const filled = this.playout.render(out);
    this.since += filled;
    if (filled && (this.since >= EVERY || filled < out.length || !this.playout.waiting)) {
      const { item, played } = this.playout;
      this.port.postMessage({ item, played });
      this.since = 0;
    }
    return true;
  }
}

registerProcessor("playback", Playback);
