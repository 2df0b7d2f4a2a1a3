/**
 * The microphone: asks for it, and hands over packets of sound and their level.
 *
 * With echo cancellation, so that the assistant does not hear itself. `packet({pcm, level})` is called every
 * 40 ms, also while muted, with silence: the server's clock of the sound goes on.
 */

const WANTED = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

/** Rejects with what getUserMedia raises, or with an InsecureContext of our own (see explain.js). */
export async function openMicrophone({ packet, lost }) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw Object.assign(new Error("no microphone for pages that are not secure"), { name: "InsecureContext" });
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: WANTED });
  const [track] = stream.getAudioTracks();
  const context = new AudioContext();
  try {
    await context.audioWorklet.addModule(new URL("./worklets/microphone.js", import.meta.url));
  } catch (error) {
    track.stop();
    await context.close();
    throw error;
  }
  const worklet = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  worklet.port.onmessage = ({ data }) => packet(data);
  context.createMediaStreamSource(stream).connect(worklet);
  await context.resume();
  track.onended = lost;
  return {
    track,
    mute(on) {
      track.enabled = !on;
    },
    close() {
      track.onended = null;
      worklet.port.onmessage = null;
      track.stop();
      context.close();
    },
  };
}
