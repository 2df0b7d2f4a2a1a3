"""The page's pure modules, in the browser that they are for, without any sound.

Each test is a few lines of JavaScript over the module itself, and returns what is to be looked at here.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from tests.scripted import ScriptedEngine
from tests.server.client import serving
from tools.chromium import Page


@pytest.fixture
async def blank(page: Page) -> AsyncIterator[Page]:
    """A page that may import ours, and runs nothing."""
    async with serving(ScriptedEngine()) as url:
        await page.go(f"{url.replace('ws', 'http', 1)}/icon.svg")
        yield page


async def run(page: Page, module: str, body: str, *values: Any) -> Any:
    """`body` is that of a function of the module `m` and the `values`."""
    given = ", ".join(json.dumps(value) for value in values)
    names = ", ".join(f"v{i}" for i in range(len(values)))
    return await page.evaluate(f"import('/{module}').then((m) => (({names}) => {{ {body} }})({given}))")


async def test_samples_become_base64_and_samples_again(blank: Page) -> None:
    wire = await run(blank, "pcm.js", "return m.encode(m.toPcm16(Float32Array.from(v0)))", [0, 0.5, -1, 2])
    samples = np.frombuffer(base64.b64decode(wire), "<i2")
    assert samples.tolist() == [0, 16384, -32767, 32767]
    body = "return [[...m.decode(v0)], m.durationMs(v0)]"
    assert await run(blank, "pcm.js", body, wire) == [samples.tolist(), 4 / 24]
    long = base64.b64encode(bytes(range(256)) * 300).decode()
    assert await run(blank, "pcm.js", "return m.encode(m.decode(v0)) === v0", long) is True


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000, 24_000])
async def test_a_tone_keeps_its_pitch_and_loudness_at_another_rate(blank: Page, rate: int) -> None:
    body = """
      const resampler = new m.Resampler(v0, 24000);
      const out = [];
      for (let at = 0; at < v0; at += 128) {
        const block = Float32Array.from({length: 128}, (_, i) => Math.sin(2 * Math.PI * 440 * (at + i) / v0));
        out.push(...resampler.push(block));
      }
      return out;
    """
    out = np.array(await run(blank, "pcm.js", body, rate))
    assert abs(len(out) - 24_000) < 200
    spectrum = np.abs(np.fft.rfft(out[2000:22_000] * np.hanning(20_000)))
    assert abs(spectrum.argmax() * 24_000 / 20_000 - 440) < 2
    assert math.isclose(float(np.sqrt((out[2000:22_000] ** 2).mean())), math.sqrt(0.5), rel_tol=0.01)


async def test_what_is_above_the_new_rate_does_not_fold_down(blank: Page) -> None:
    body = """
      const resampler = new m.Resampler(48000, 24000);
      const tone = Float32Array.from({length: 48000}, (_, i) => Math.sin(2 * Math.PI * 15000 * i / 48000));
      return m.loudness(resampler.push(tone).subarray(2000, 22000));
    """
    assert await run(blank, "pcm.js", body) < 0.003  # -50 dB


async def test_playout_counts_what_was_played_and_falls_silent(blank: Page) -> None:
    body = """
      const playout = new m.Playout(), out = new Float32Array(128), ones = (n) => new Float32Array(n).fill(1);
      const rendered = () => [playout.render(out), playout.item, playout.played];
      const seen = [rendered()];
      playout.push("a", ones(200)); playout.push("b", ones(1000));
      seen.push(rendered(), rendered());
      const cut = playout.flush();
      const after = [];
      for (let i = 0; i < 3; i++) { rendered(); after.push([Math.max(...out), out[127], playout.played]); }
      return {seen, cut, after, waiting: playout.waiting};
    """
    told = await run(blank, "playout.js", body)
    assert told["seen"] == [[0, None, 0], [128, "a", 128], [128, "b", 56]]
    assert told["cut"] == {"item": "b", "played": 56, "dropped": 944}
    assert told["waiting"] == 0
    loudest, last, played = zip(*told["after"], strict=True)
    assert loudest[0] == 1 and 0 < last[0] < 0.6 and loudest[2] == 0  # it fades, and is over
    assert set(played) == {56}


TIMES = {
    "turn_ended_ms": 520,
    "first_thinking_ms": 300,
    "first_reply_ms": 900,
    "first_sound_ms": 1100,
    "done_ms": 4000,
}


async def test_a_waterfall_has_a_lane_for_each_stage(blank: Page) -> None:
    body = "return m.layout(v0, {speechMs: 4000, soundMs: 2500})"
    drawn = await run(blank, "waterfall.js", body, TIMES)
    bars = {lane["kind"]: lane["bars"] for lane in drawn["lanes"]}
    spans = {kind: (bar[0]["from"], bar[0]["to"]) for kind, bar in bars.items()}
    assert spans["speech"] == (-1500, 0) and bars["speech"][0]["openLeft"]
    assert spans["silence"] == (0, 520)
    assert spans["thinking"] == (300, 900)  # ahead, before the turn had ended
    assert spans["words"] == (900, 1100)
    assert spans["sound"][0] == 1100 and bars["sound"][0]["openRight"]
    assert drawn["from"] == -1500 and 1100 < drawn["to"] < 2500
    assert 0 in drawn["ticks"] and len(drawn["ticks"]) <= 7


async def test_a_waterfall_of_a_typed_turn_without_a_voice(blank: Page) -> None:
    times = dict.fromkeys(TIMES) | {"first_reply_ms": 80, "done_ms": 200}
    drawn = await run(blank, "waterfall.js", "return m.layout(v0)", times)
    bars = {lane["kind"]: lane["bars"] for lane in drawn["lanes"]}
    assert [kind for kind, bar in bars.items() if bar] == ["words"]
    said = await run(blank, "waterfall.js", "return m.sentence(v0)", times)
    assert said == "After the end of speech: first word 80 ms."
    assert await run(blank, "waterfall.js", "return m.layout({}).lanes.length") == 5


def reduced(events: list[dict[str, Any]]) -> str:
    return f"const state = {json.dumps(events)}.reduce(m.reduce, m.EMPTY);"


def spoken_reply(*words: str) -> list[dict[str, Any]]:
    """A reply with a tenth of a second of sound behind each word."""
    where = {"response_id": "r", "item_id": "i"}
    tenth = base64.b64encode(bytes(4800)).decode()
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "r", "conversation_id": "c"}},
        {"type": "response.reasoning_text.delta", **where, "delta": "hm"},
        {"type": "response.output_item.added", "response_id": "r", "item": {"id": "i", "type": "message"}},
        {"type": "page.played", "item_id": "i", "ms": 0},
    ]
    for word in words:
        events += [
            {"type": "response.output_audio_transcript.delta", **where, "delta": word},
            {"type": "response.output_audio.delta", **where, "delta": tenth},
        ]
    return events


async def test_captions_follow_the_sound(blank: Page) -> None:
    events = spoken_reply("one ", "two ", "three")
    for ms, heard in ((0, ""), (50, "one "), (150, "one two "), (290, "one two three")):
        body = reduced([*events, {"type": "page.played", "item_id": "i", "ms": ms}])
        told = await run(blank, "state.js", body + "return m.caption(state.entries[0])")
        assert (told["heard"], told["heard"] + told["coming"]) == (heard, "one two three")


def paced_reply(*words: str) -> list[dict[str, Any]]:
    """A reply that the server plays, all of whose words are there, and no sound yet."""
    ids = {"response_id": "r", "item_id": "i"}
    said = [{"type": "response.output_audio_transcript.delta", **ids, "delta": word} for word in words]
    return [
        {"type": "response.created", "response": {"id": "r", "conversation_id": "c"}},
        {"type": "response.output_item.added", "response_id": "r", "item": {"id": "i", "type": "message"}},
        {"type": "page.paced", "item_id": "i"},
        *said,
    ]


def caption(word: str) -> dict[str, Any]:
    return {"type": "soundmind.caption", "response_id": "r", "item_id": "i", "delta": word}


STARTED, STOPPED, CLEARED = (
    {"type": f"output_audio_buffer.{what}", "response_id": "r"} for what in ("started", "stopped", "cleared")
)
COMPLETED = {"type": "response.done", "response": {"id": "r", "status": "completed"}}


async def test_captions_follow_what_the_server_plays(blank: Page) -> None:
    events: list[dict[str, Any]] = paced_reply("one ", "two ", "three")
    seen = []
    for more in ({}, STARTED, caption("one "), COMPLETED, caption("two "), caption("three"), STOPPED):
        events += [more] if more else []
        body = reduced(events) + "return [m.caption(state.entries[0]), m.activity(state)]"
        told, activity = await run(blank, "state.js", body)
        assert told["heard"] + told["coming"] == "one two three" and told["unheard"] == ""
        seen.append((told["heard"], activity))
    assert seen == [
        ("", "speaking"),
        ("", "speaking"),
        ("one ", "speaking"),
        ("one ", "speaking"),
        ("one two ", "speaking"),
        ("one two three", "speaking"),
        ("one two three", "quiet"),
    ]


@pytest.mark.parametrize("end", ["cleared", "orphaned"])
async def test_what_the_server_does_not_play_any_further_was_not_heard(blank: Page, end: str) -> None:
    events = [*paced_reply("one ", "two"), STARTED, caption("one "), COMPLETED]
    body = reduced([*events, CLEARED] if end == "cleared" else events)
    body += "const s = v0 === 'orphaned' ? m.orphaned(state) : state;"
    told, activity = await run(
        blank, "state.js", body + "return [m.caption(s.entries[0]), m.activity(s)]", end
    )
    assert (told["heard"], told["coming"], told["unheard"], activity) == ("one ", "", "two", "quiet")


async def test_what_was_not_heard_is_the_servers_to_say(blank: Page) -> None:
    cancelled = {"id": "r", "status": "cancelled", "status_details": {"reason": "turn_detected"}}
    item = {"id": "i", "role": "assistant", "content": [{"type": "output_audio", "transcript": "one "}]}
    events = [
        *spoken_reply("one ", "two ", "three"),
        {"type": "response.done", "response": cancelled},
        {"type": "conversation.item.retrieved", "item": item},
    ]
    body = reduced(events) + "return [m.caption(state.entries[0]), m.activity(state), m.history(state)]"
    told, activity, history = await run(blank, "state.js", body)
    assert (told["heard"], told["coming"], told["unheard"]) == ("one ", "", "two three")
    assert activity == "quiet"
    assert history[0]["content"] == [{"type": "output_text", "text": "one "}]


async def test_a_turn_from_speech_to_its_words(blank: Page) -> None:
    heard = "conversation.item.input_audio_transcription"
    user = {"id": "u", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    events: list[dict[str, Any]] = [
        {"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 700},
        {"type": "input_audio_buffer.speech_stopped", "item_id": "u", "audio_end_ms": 2700},
        {"type": "input_audio_buffer.committed", "item_id": "u"},
        {"type": "conversation.item.added", "item": user},
        *spoken_reply("yes"),
        {"type": f"{heard}.delta", "item_id": "u", "delta": "is it"},
        {"type": f"{heard}.completed", "item_id": "u", "transcript": "Is it?"},
        {"type": "page.heard", "response_id": "r", "ms": 700},
        {"type": "soundmind.timings", "response_id": "r", "event_id": "e", **TIMES},
    ]
    body = (
        reduced(events)
        + "const r = state.entries[1]; return [state, m.speechMs(state, r), m.times(state, r)]"
    )
    state, speech, times = await run(blank, "state.js", body)
    assert [entry["kind"] for entry in state["entries"]] == ["user", "reply"]
    assert (state["entries"][0]["text"], state["entries"][0]["state"]) == ("Is it?", "done")
    assert state["marks"] == [{"id": "u", "startMs": 700, "endMs": 2700}]
    assert speech == 2000 - 520
    assert times == {**TIMES, "heard_ms": 700 + 520}


async def test_a_cough_leaves_nothing(blank: Page) -> None:
    events: list[dict[str, Any]] = [
        {"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 0},
        {"type": "input_audio_buffer.speech_stopped", "item_id": "u", "audio_end_ms": 300},
        {"type": "input_audio_buffer.cleared"},
    ]
    assert await run(blank, "state.js", reduced(events) + "return state.entries") == []


async def test_calls_and_what_they_gave(blank: Page) -> None:
    called = {"response_id": "r", "call_id": "c", "name": "set_timer", "arguments": '{"minutes": 5}'}
    output = {"id": "o", "type": "function_call_output", "call_id": "c", "output": '{"ok":true}'}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "r", "conversation_id": "c"}},
        {"type": "response.function_call_arguments.done", **called},
        {"type": "response.done", "response": {"id": "r", "status": "completed", "output": []}},
        {"type": "conversation.item.added", "item": output},
    ]
    entry = (await run(blank, "state.js", reduced(events) + "return state.entries"))[0]
    assert entry["calls"][0]["output"] == '{"ok":true}'


async def test_timers_are_set_and_nonsense_is_answered(blank: Page) -> None:
    body = """
      const timers = new m.Timers({changed() {}, rang() {}, now: () => 1000});
      const run = (text, name = "set_timer") => JSON.parse(timers.run(name, text));
      return [run('{"minutes": 5}'), run('{"minutes": -1}'), run("{"), run("{}", "fly"),
              m.left(timers.running[0], 61000)];
    """
    good, negative, broken, unknown, left = await run(blank, "tools.js", body)
    assert good == {"ok": True} and left == "4:00"
    assert all("error" in answer for answer in (negative, broken, unknown))


async def test_settings_are_checked_and_become_a_session(blank: Page) -> None:
    stored = {"effort": "low", "talk": "push", "voice": 7, "nonsense": "x", "detection": "psychic"}
    stored["pace"] = "speak_first"
    body = """
      const storage = {getItem: () => JSON.stringify(v0)};
      const read = m.read(storage);
      const lost = m.read({getItem() { throw new Error("no storage"); }});
      return [read, m.session(read, [{}]), m.session({...m.DEFAULTS, detection: "semantic_vad"}, []),
              JSON.stringify(lost) === JSON.stringify(m.DEFAULTS)];
    """
    read, session, semantic, fallback = await run(blank, "settings.js", body, stored)
    assert (read["effort"], read["talk"], read["voice"], read["detection"]) == (
        "low",
        "push",
        "",
        "server_vad",
    )
    assert "nonsense" not in read and fallback
    assert session["soundmind"] == {"pace": "speak_first"}
    assert session["audio"]["input"]["turn_detection"] is None and session["tools"] == [{}]
    assert semantic["audio"]["input"]["turn_detection"] == {"type": "semantic_vad", "eagerness": "auto"}


LINK = """
  const opened = [], events = [];
  const open = async ({query, told, closed}) => {
    if (plan[opened.length] === "refused") { opened.push(query); throw new Error("refused"); }
    const transport = {sent: [], send(event) { this.sent.push(event); }, close() {}, told, closed, query};
    opened.push(transport);
    if (query.resume) queueMicrotask(() => told(plan[opened.length - 1] === "expired"
      ? {type: "error", error: {message: "no such session"}}
      : {type: "soundmind.resumed", event_id: "e9", input_audio_ms: 30}));
    return transport;
  };
  const say = [];
  const on = {opened: (fresh) => say.push(fresh ? "fresh" : "resumed"),
              event: (event) => events.push(event.type),
              lost: () => say.push("lost"), gone: () => say.push("gone")};
  const link = new m.Link(open, on, (ms) => ms === 3000 ? new Promise(() => {}) : Promise.resolve());
  await link.start();
  const resume = {token: "t", seconds: 5};
  const token = {type: "session.updated", event_id: "e1", session: {soundmind: {resume}}};
"""


async def link(page: Page, plan: list[str], body: str) -> Any:
    program = f"const plan = {json.dumps(plan)}; {LINK} {body}"
    return await page.evaluate(f"import('/link.js').then(async (m) => {{ {program} }})")


async def test_a_dropped_line_is_resumed_with_its_token(blank: Page) -> None:
    body = """
      opened[0].told(token); opened[0].closed();
      link.send({type: "waiting"});
      while (say.length < 3) await new Promise((done) => setTimeout(done));
      return [say, opened[1].query, opened[1].sent, opened[0].sent];
    """
    say, query, sent, first = await link(blank, [], body)
    assert say == ["fresh", "lost", "resumed"]
    assert query == {"resume": "t", "after": "e1"}
    assert sent == [{"type": "waiting"}]
    assert first[0]["session"]["soundmind"] == {"resume": True}


async def test_sound_that_a_line_took_with_it_is_sent_again(blank: Page) -> None:
    body = """
      const pcm = await import("/pcm.js");
      const tone = (n) => pcm.encode(new Int16Array(480).fill(n));
      const packet = (n) => ({type: "input_audio_buffer.append", audio: tone(n)});
      const heard = (line) => line.sent.map((event) => pcm.decode(event.audio)).map((s) => [s.length, s[0]]);
      opened[0].told(token);
      for (const n of [1, 2, 3]) link.send(packet(n)); // 20 ms each, and the server has 30
      opened[0].closed();
      link.send(packet(4));
      while (say.length < 3) await new Promise((done) => setTimeout(done));
      const first = heard(opened[1]);
      opened[1].closed(); // and again: of the 50 ms that it was sent then it has none
      while (say.length < 5) await new Promise((done) => setTimeout(done));
      const second = heard(opened[2]);
      for (let n = 0; n < 1000; n++) link.send(packet(n));
      return [first, second, link.keptMs, link.sentMs];
    """
    first, second, kept, sent = await link(blank, [], body)
    assert first == second == [[240, 2], [480, 3], [480, 4]]
    assert (kept, sent) == (10_000, 30 + 50 + 20_000)


async def test_an_expired_token_begins_a_new_session(blank: Page) -> None:
    body = """
      opened[0].told(token); opened[0].closed();
      while (say.length < 3) await new Promise((done) => setTimeout(done));
      return [say, opened.at(-1).query];
    """
    assert await link(blank, ["", "expired"], body) == [["fresh", "lost", "fresh"], {}]


async def test_a_server_that_cannot_resume_is_not_an_error(blank: Page) -> None:
    body = """
      opened[0].told({type: "error", error: {event_id: "page_resume", message: "unknown"}});
      opened[0].told({type: "error", error: {message: "another"}});
      return events;
    """
    assert await link(blank, [], body) == ["error"]


async def test_who_cannot_be_reached_is_given_up(blank: Page) -> None:
    body = """
      opened[0].closed();
      while (say.length < 3) await new Promise((done) => setTimeout(done));
      return say;
    """
    assert await link(blank, ["", *["refused"] * 100], body) == ["fresh", "lost", "gone"]
