/**
 * What is to be played, and exactly how much of it was.
 *
 * Pure: the playback worklet asks it for samples. Each piece belongs to an item of the conversation; samples
 * count as played when they are handed out, and silence while nothing is there does not count. A flush fades
 * what is sounding within FADE samples and throws the rest away. Knows no Web Audio.
 */

export const FADE = 240; // samples: 10 ms at 24 kHz, so that a cut does not click

export class Playout {
  constructor() {
    this.queue = []; // {item, samples}
    this.offset = 0; // into the first
    this.tail = null; // what fades out after a flush
    this.item = null; // the one that plays, or played last
    this.played = 0; // its samples
  }

  /** Samples that nobody has heard yet. */
  get waiting() {
    return this.queue.reduce((sum, piece) => sum + piece.samples.length, -this.offset);
  }

  push(item, samples) {
    if (samples.length) this.queue.push({ item, samples });
  }

  /** Fill `out`; returns how many samples of it are of the queue. */
  render(out) {
    out.fill(0);
    let filled = this.#fade(out);
    while (filled < out.length && this.queue.length) {
      const { item, samples } = this.queue[0];
      if (item !== this.item) {
        this.item = item;
        this.played = 0;
      }
      const part = samples.subarray(this.offset, this.offset + out.length - filled);
      out.set(part, filled);
      filled += part.length;
      this.played += part.length;
      this.offset += part.length;
      if (this.offset === samples.length) {
        this.queue.shift();
        this.offset = 0;
      }
    }
    return filled;
  }

  /** Fall silent. Returns which item was cut off, its samples that were played, and those that were not. */
  flush() {
    const cut = { item: this.item, played: this.played, dropped: this.waiting };
    const sounding = this.queue[0];
    if (sounding) {
      this.tail = sounding.samples.slice(this.offset, this.offset + FADE);
      for (let i = 0; i < this.tail.length; i++) this.tail[i] *= 1 - i / this.tail.length;
      if (sounding.item !== this.item) {
        cut.item = sounding.item;
        cut.played = 0;
      }
    }
    this.queue = [];
    this.offset = 0;
    return cut;
  }

  #fade(out) {
    if (!this.tail) return 0;
    const part = this.tail.subarray(0, out.length);
    out.set(part);
    this.tail = this.tail.length > part.length ? this.tail.subarray(part.length) : null;
    return part.length;
  }
}
