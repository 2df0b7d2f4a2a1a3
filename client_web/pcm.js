/**
 * Sound in numbers: 16-bit samples and floats, base64, loudness, and a change of rate.
 *
 * Pure. The Realtime API speaks PCM16, little-endian, mono, 24 kHz; Web Audio speaks floats at whatever rate the
 * machine has. Knows no microphone and no socket.
 */

export const RATE = 24000; // samples a second on the wire

const FULL = 32767;
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Floats in -1..1, clipped, as 16-bit samples. */
export function toPcm16(samples) {
  const out = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    out[i] = Math.round(Math.max(-1, Math.min(1, samples[i])) * FULL);
  }
  return out;
}

/** 16-bit samples as floats. */
export function toFloat(pcm) {
  const out = new Float32Array(pcm.length);
  for (let i = 0; i < pcm.length; i++) out[i] = pcm[i] / FULL;
  return out;
}

/** 16-bit samples as the base64 of their little-endian bytes. */
export function encode(pcm) {
  const bytes = new Uint8Array(pcm.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < pcm.length; i++) view.setInt16(2 * i, pcm[i], true);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return btoa(text);
}

/** What `encode` made. An odd last byte is left out. */
export function decode(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length - (text.length % 2));
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  if (littleEndian) return new Int16Array(bytes.buffer);
  const view = new DataView(bytes.buffer);
  return Int16Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i, true));
}

/** How long base64 audio is, in milliseconds, without decoding it. */
export function durationMs(base64) {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return ((base64.length * 3) / 4 - padding) / 2 / (RATE / 1000);
}

/** Root mean square of floats. */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length ? Math.sqrt(sum / samples.length) : 0;
}

/** Loudness as a meter shows it, 0..1: -60 dB and below is nothing, full scale is all. */
export function meter(rms) {
  return rms <= 0.001 ? 0 : Math.min(1, 1 + Math.log10(rms) / 3);
}

const TAPS = 16; // to each side
const STEPS = 256; // places between two samples that the filter's table knows

/**
 * A stream at one rate made into one at another: a windowed sinc, cut off below the lower of the two Nyquist
 * frequencies, so that nothing above it folds down. It holds back TAPS samples of what it was given.
 */
export class Resampler {
  constructor(from, to) {
    this.step = from / to;
    this.same = from === to;
    this.cutoff = Math.min(1, to / from) * 0.92;
    this.taps = Math.ceil(TAPS / Math.min(1, to / from));
    this.table = this.same ? null : kernel(this.cutoff, this.taps);
    this.held = new Float32Array(2 * this.taps); // the newest input, silence before it began
    this.at = this.taps; // of the next output, in samples of `held`
  }

  /** What can be told with these samples more. */
  push(samples) {
    if (this.same) return Float32Array.from(samples);
    const input = new Float32Array(this.held.length + samples.length);
    input.set(this.held);
    input.set(samples, this.held.length);
    const out = [];
    while (this.at + this.taps < input.length) {
      out.push(this.#between(input, this.at));
      this.at += this.step;
    }
    const drop = Math.max(0, Math.floor(this.at) - this.taps);
    this.held = input.slice(drop);
    this.at -= drop;
    return Float32Array.from(out);
  }

  #between(input, at) {
    const whole = Math.floor(at);
    let sum = 0;
    for (let i = whole - this.taps + 1; i <= whole + this.taps; i++) {
      const place = Math.abs(at - i) * STEPS;
      const low = Math.floor(place);
      const high = this.table[low + 1];
      sum += input[i] * (this.table[low] + (place - low) * (high - this.table[low]));
    }
    return sum;
  }
}

/** One half of a Hann-windowed sinc, STEPS places a sample. */
function kernel(cutoff, taps) {
  return Float32Array.from({ length: taps * STEPS + 2 }, (_, i) => {
    const x = i / STEPS;
    if (x >= taps) return 0;
    const phase = Math.PI * x * cutoff;
    const sinc = i ? Math.sin(phase) / phase : 1;
    return cutoff * sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / taps));
  });
}
