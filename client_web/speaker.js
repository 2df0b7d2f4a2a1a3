/**
 * Playback: pieces of items in, sound out, and exactly how much of each item was played.
 *
 * Over WebSocket the page plays the sound itself, in the playback worklet. Over WebRTC the browser plays a media
 * stream in the `<audio>` element, which is only measured here. Knows no protocol.
 */

import { RATE, loudness, meter, toFloat } from "./pcm.js";

const PATIENCE = 3000; // ms until a stream is heard

export class Speaker {
  /** `played({item, ms})` is called about every 50 ms of sound. */
  constructor(audio, played) {
    this.audio = audio;
    this.played = played;
    this.context = null;
    this.flushes = new Map(); // by their numbers: what awaits them
    this.count = 0;
    this.item = null; // the newest that was pushed
    this.silenced = null; // an item that was cut off: what still comes of it is not played
  }

  /** Call it from a click: browsers hold sound back otherwise. */
  async open() {
    if (!this.context) {
      this.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
      await this.context.audioWorklet.addModule(new URL("./worklets/playback.js", import.meta.url));
      this.worklet = new AudioWorkletNode(this.context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
      this.worklet.port.onmessage = ({ data }) => this.#told(data);
      this.analyser = new AnalyserNode(this.context, { fftSize: 1024 });
      this.worklet.connect(this.context.destination);
      this.worklet.connect(this.analyser);
    }
    await Promise.race([this.context.resume(), new Promise((done) => setTimeout(done, 500))]);
  }

  /** Whether the browser holds the sound back. */
  get held() {
    return (this.context !== null && this.context.state === "suspended") || (this.audio.srcObject !== null && this.audio.paused);
  }

  /** How long a sample that was handed out takes until it is heard. */
  get delayMs() {
    return 1000 * (this.context.outputLatency || this.context.baseLatency || 0);
  }

  push(item, pcm) {
    if (item === this.silenced) return;
    this.item = item;
    const samples = toFloat(pcm);
    this.worklet.port.postMessage({ item, samples }, [samples.buffer]);
  }

  /**
   * Fall silent at once. Resolves to what was cut off: {item, ms, droppedMs}, `ms` being what has left the
   * loudspeaker, the delay of the output taken off; null where nothing has been played yet.
   */
  async flush() {
    if (!this.worklet) return null;
    this.silenced = this.item;
    const id = ++this.count;
    const answer = new Promise((resolve) => this.flushes.set(id, resolve));
    this.worklet.port.postMessage({ flush: id });
    const { item, played, dropped } = await answer;
    if (!item) return null;
    return { item, ms: Math.max(0, Math.round((played / RATE) * 1000 - this.delayMs)), droppedMs: (dropped / RATE) * 1000 };
  }

  /** Over WebRTC: measure what the browser plays of this stream. */
  watch(stream) {
    this.stream?.disconnect();
    try {
      this.stream = new MediaStreamAudioSourceNode(this.context, { mediaStream: stream });
      this.stream.connect(this.analyser);
    } catch {
      this.stream = null; // browsers that want both at one rate: then there is no level
    }
  }

  /** Resolves once something is heard, in ms of `performance.now()`; null where nothing is, within a while. */
  async begun() {
    for (const until = performance.now() + PATIENCE; performance.now() < until; ) {
      if (this.level() > 0) return performance.now() + this.delayMs;
      await new Promise((done) => setTimeout(done, 10));
    }
    return null;
  }

  /** How loud it is just now, 0..1. */
  level() {
    if (!this.analyser) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    return meter(loudness(samples));
  }

  #told(data) {
    if ("flushed" in data) {
      this.flushes.get(data.flushed)?.(data);
      this.flushes.delete(data.flushed);
    } else {
      this.played({ item: data.item, ms: (data.played / RATE) * 1000 });
    }
  }
}
