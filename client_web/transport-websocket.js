/**
 * The Realtime API over WebSocket: events as JSON, sound inside of them.
 *
 * Same interface as `transport-webrtc.js`: opens, or rejects with what went wrong, and then has {kind, send,
 * close}. `told(event)` gets the server's events; `closed()` is called once, unless `close` was.
 */

const KEY = "openai-insecure-api-key."; // a browser cannot set headers on a WebSocket
const PATIENCE = 8000; // ms to connect

export function openWebSocket({ query, secret, told, closed }) {
  const url = new URL(`/v1/realtime?${query}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url, secret ? ["realtime", KEY + secret] : ["realtime"]);
  let wanted = true;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(), PATIENCE);
    function fail() {
      clearTimeout(timer);
      wanted = false;
      socket.close();
      reject(new Error("the WebSocket did not open"));
    }
    socket.onerror = socket.onclose = fail;
    socket.onmessage = ({ data }) => told(JSON.parse(data));
    socket.onopen = () => {
      clearTimeout(timer);
      socket.onerror = null;
      socket.onclose = () => wanted && closed();
      resolve({
        kind: "websocket",
        send(event) {
          if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(event));
        },
        close() {
          wanted = false;
          socket.close(1000);
        },
      });
    };
  });
}
