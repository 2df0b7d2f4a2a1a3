/**
 * The microphone on the audio thread: any rate in, packets of 16-bit samples at the wire's rate out.
 *
 * Posts {pcm, level} for every PACKET samples. Knows no socket.
 */

import { RATE, Resampler, loudness, meter, toPcm16 } from "../pcm.js";

const PACKET = 960; // samples: 40 ms

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.packet = new Float32Array(PACKET);
    this.filled = 0;
  }

  process([channels]) {
    const samples = channels?.[0];
    if (samples) this.take(this.resampler.push(samples));
    return true;
  }

  take(samples) {
    for (let at = 0; at < samples.length; ) {
      const part = samples.subarray(at, at + PACKET - this.filled);
      this.packet.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === PACKET) {
        const pcm = toPcm16(this.packet);
        this.port.postMessage({ pcm, level: meter(loudness(this.packet)) }, [pcm.buffer]);
        this.filled = 0;
      }
    }
  }
}

registerProcessor("microphone", Microphone);
