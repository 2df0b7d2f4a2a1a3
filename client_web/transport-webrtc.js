/**
 * The Realtime API over WebRTC: events on the data channel `oai-events`, sound as a media stream.
 *
 * Same interface as `transport-websocket.js`, and {kind: "webrtc", setTrack}. Here the browser plays the sound and
 * the server knows how much of it was heard, so nothing is counted in the page. `query.resume` goes on with a call.
 */

const PATIENCE = 8000; // ms until the channel is open
const GATHERING = 2000; // ms for the addresses of this machine
const AWAY = 5000; // ms without a way through the network: a call that goes on over another comes sooner

/** `heard(stream)` is given what the server says. */
export async function openWebRtc({ query, secret, track, audio, heard, told, closed }) {
  const peer = new RTCPeerConnection();
  const sender = peer.addTransceiver("audio", { direction: "sendrecv" }).sender;
  if (track) await sender.replaceTrack(track);
  const channel = peer.createDataChannel("oai-events");
  let wanted = true;
  const end = () => {
    const was = wanted;
    wanted = false;
    audio.srcObject = null;
    peer.close();
    return was;
  };
  try {
    peer.ontrack = ({ track: remote }) => {
      audio.srcObject = new MediaStream([remote]);
      heard(audio.srcObject);
      audio.play().catch(() => {}); // told by `audio.paused`, see speaker.js
    };
    channel.onmessage = ({ data }) => told(JSON.parse(data));
    const opened = new Promise((resolve, reject) => {
      channel.onopen = resolve;
      channel.onclose = () => reject(new Error("the data channel closed"));
      peer.onconnectionstatechange = () => {
        if (peer.connectionState === "failed") reject(new Error("no way through the network was found"));
      };
      setTimeout(() => reject(new Error("the data channel did not open")), PATIENCE);
    });
    opened.catch(() => {}); // awaited below, maybe after it has failed
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const answer = await fetch(`/v1/realtime/calls?${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...(secret ? { Authorization: `Bearer ${secret}` } : {}) },
      body: peer.localDescription.sdp,
    });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    await opened;
  } catch (error) {
    end();
    throw error;
  }
  const dropped = () => end() && closed();
  channel.onclose = dropped;
  let away = 0;
  peer.onconnectionstatechange = () => {
    clearTimeout(away);
    if (["failed", "closed"].includes(peer.connectionState)) dropped();
    else if (peer.connectionState === "disconnected") away = setTimeout(dropped, AWAY);
  };
  return {
    kind: "webrtc",
    send(event) {
      if (channel.readyState === "open") channel.send(JSON.stringify(event));
    },
    setTrack: (next) => sender.replaceTrack(next),
    close: end,
  };
}

/** Wait until this machine's addresses are known: they travel inside of the offer. */
function gathered(peer) {
  return new Promise((resolve) => {
    if (peer.iceGatheringState === "complete") resolve();
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
    setTimeout(resolve, GATHERING);
  });
}
