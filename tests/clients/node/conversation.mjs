// A spoken conversation of @openai/agents-realtime, as it comes, with a tool, an interruption and typed text.
//
//   node conversation.mjs URL NAME.pcm TIMER.pcm RECALL.pcm        (PCM16 at 24 kHz)
//
// Prints a line of JSON for each thing that the SDK tells its application, for the test to judge. It judges
// nothing itself, but ends with 1 where the SDK throws.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

const [url, ...recordings] = process.argv.slice(2);
const [name, timer, recall] = recordings.map((path) => readFileSync(path));
const PACKET = 1920; // bytes: 40 ms
const BYTES_PER_MS = 48;

const print = (event, fields) => console.log(JSON.stringify({ event, ...fields }));

const agent = new RealtimeAgent({
  name: "Soundmind",
  instructions: "",
  tools: [
    tool({
      name: "set_timer",
      description: "Set a timer.",
      parameters: z.object({ minutes: z.number().int() }),
      execute: async ({ minutes }) => {
        print("executed", { minutes });
        return JSON.stringify({ ok: true });
      },
    }),
  ],
});
const session = new RealtimeSession(agent, { transport: new OpenAIRealtimeWebSocket(), model: "nano" });

// A loudspeaker: when the newest reply began to sound, and how much of it has come.
let began = 0;
let received = 0;
const waiting = [];
const once = (wanted) => new Promise((resolve) => waiting.push({ wanted, resolve }));

session.on("audio", ({ data }) => {
  began ||= Date.now();
  received += data.byteLength;
});
session.on("audio_interrupted", () => {
  print("interrupted", { played: Date.now() - began, received: received / BYTES_PER_MS });
  began = received = 0;
});
session.on("error", (error) => print("error", { error: String(error?.error?.message ?? JSON.stringify(error)) }));
session.on("agent_tool_start", (context, agent, tool) => print("tool_start", { name: tool.name }));
session.on("agent_tool_end", (context, agent, tool, result) => print("tool_end", { name: tool.name, result }));
session.on("transport_event", (event) => {
  if (event.type === "response.done") {
    print("done", { status: event.response.status, output: event.response.output.map((item) => item.type) });
  }
  for (const waiter of waiting.filter(({ wanted }) => wanted(event))) {
    waiting.splice(waiting.indexOf(waiter), 1);
    waiter.resolve(event);
  }
});

const spoken = (event) => event.type === "response.done" && event.response.output.some((item) => item.type === "message");
const played = async () => {
  await sleep(Math.max(0, began + received / BYTES_PER_MS - Date.now()) + 100);
  began = received = 0;
};

// A microphone that is never off.
let toSay = Buffer.alloc(0);
let due = Date.now();
const microphone = setInterval(() => {
  for (; due <= Date.now(); due += PACKET / BYTES_PER_MS) {
    const packet = Buffer.alloc(PACKET);
    toSay.copy(packet, 0, 0, PACKET);
    toSay = toSay.subarray(PACKET);
    session.sendAudio(packet.buffer);
  }
}, PACKET / BYTES_PER_MS);

await session.connect({ apiKey: "none", url });
print("connected", {});

let replied = once(spoken);
toSay = name;
await replied;
await played();

// Slowly, so that the answer to what the tool says sounds for some seven seconds, and can be cut off.
session.transport.updateSessionConfig({ audio: { output: { speed: 0.25 } } });
const sounding = once((event) => event.type === "response.output_audio.delta");
const cut = once(spoken); // made before it is cut off, or cancelled by that
toSay = timer;
await sounding;
await sleep(300);
toSay = recall;
await cut;
session.transport.updateSessionConfig({ audio: { output: { speed: 1 } } });
await once(spoken);
await played();

replied = once(spoken);
session.sendMessage("what is six times nine");
await replied;
await played();

clearInterval(microphone);
print("history", { history: session.history });
session.close();
