"""The page in a real browser: the real server and session, a scripted engine and voice, a fake microphone.

The microphone asks a recorded question every few seconds. What the page plays is measured in the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from server import calls
from server.ice import Ice
from server.webrtc import Peer
from tests.client_web.looking import ANSWER, APP, HEARD, LEVEL, Scene, reply, scene
from tests.scripted import ScriptedEngine
from tests.server.client import idle, serving
from tests.streaming.talk import text_of
from tests.voices import ScriptedVoice
from tools.chromium import DESK, PHONE, Page


@pytest.fixture
async def at(page: Page) -> AsyncIterator[Scene]:
    async with scene(page) as at:
        yield at


async def test_a_spoken_turn_is_seen_and_heard(at: Scene) -> None:
    page = at.page
    await at.looked_at("welcome")
    await page.click("#talk")
    await page.says("#activity", "You are speaking")
    await at.looked_at("hearing")
    await page.says(".user .words", HEARD)
    await page.says(".reply .caption", ANSWER.split(",")[0])
    assert await page.until(LEVEL) > 0
    await page.until("document.querySelector('.caption .heard').textContent.length > 10")
    await at.looked_at("speaking")
    coming = await page.text(".caption .coming")
    heard = await page.text(".caption .heard")
    assert ANSWER.startswith(heard.strip()) and (heard + coming).strip() in ANSWER
    assert await page.text(".thoughts .newest") == "6*9: 6*9=54, 54"
    await page.click("#stop")
    await page.click("#end")
    await page.says("#line", "Not connected")
    await idle(at.engine)
    at.clean()


async def test_cutting_in_falls_silent_and_marks_what_was_not_heard(at: Scene) -> None:
    page = at.page
    await page.click("#talk")
    await page.until(LEVEL)
    await page.says(".reply .ending", "you spoke")
    assert await page.until(f"{LEVEL}.then((level) => level === 0)")
    await page.says(".reply .ending", "not heard")
    first = (await at.replies())[0]
    unheard = await page.text(".caption .unheard")
    assert 0 < first["heard"] < len(first["text"]) and first["text"].endswith(unheard.strip())
    await page.until("document.querySelector('.reply .waterfall')")
    await at.looked_at("cut-off")
    at.clean()


async def test_the_waterfall_has_the_servers_times(at: Scene) -> None:
    page = at.page
    await page.evaluate("document.querySelector('select[name=output]').value = 'text'")
    await page.evaluate("document.querySelector('#settings form').dispatchEvent(new Event('input'))")
    await page.click("#talk")
    await page.until("document.querySelector('.reply .waterfall')")
    times = (await at.replies())[0]["times"]
    stages = await page.evaluate("[...document.querySelectorAll('.stages dt')].map((one) => one.textContent)")
    assert stages == ["turn ended", "first thought", "first word"]
    words = await page.evaluate("document.querySelector('.waterfall').getAttribute('aria-label')")
    assert f"turn ended {round(times['turn_ended_ms'])} ms" in words
    bars = await page.evaluate("[...document.querySelectorAll('.bar')].map((one) => one.classList[1])")
    assert {"speech", "silence", "words"} <= set(bars)
    at.clean()


async def test_a_spoken_turn_and_cutting_in_over_webrtc(page: Page) -> None:
    async with scene(page, "auto") as at:
        await page.click("#talk")
        await page.says("#line-kind", "over WebRTC")
        await page.says(".user .words", HEARD)
        await page.says(".reply .caption", ANSWER.split(",")[0])
        assert await page.until(LEVEL) > 0
        await page.says(".reply .ending", "you spoke (struck out: not heard)")
        assert await page.until(f"{LEVEL}.then((level) => level === 0)")
        first = (await at.replies())[0]
        assert 0 < first["heard"] < len(first["text"])
        assert first["heardAfter"] > 0
        await page.until("document.querySelector('.reply .waterfall')")
        await at.looked_at("webrtc")
        await page.says(".reply:last-child .caption", "Six")
        await page.click("#stop")
        await page.says(".reply:last-child .ending", "stopped")
        assert await page.text("#trouble") == ""
        await page.click("#end")
        await idle(at.engine)
        at.clean()


async def test_captions_keep_to_the_sound_over_webrtc(page: Page) -> None:
    """The words are there up to 3 s before they are heard; the voice takes 0.2 s a word."""
    async with scene(page, "webrtc") as at:
        await page.click("#examples li:first-child button")
        await page.until("document.querySelector('.caption .heard')?.textContent.length > 4")
        begun = await page.text(".caption .heard")
        assert ANSWER.startswith(begun.strip()) and begun.strip() != ANSWER
        assert len(await page.text(".caption .coming")) > 10
        await page.says("#activity", "Speaking")
        await page.says(".caption .heard", "sixty.")
        await page.says("#line", "Connected")
        await page.until(f"(async () => {APP}.conversation.activity === 'quiet')()")
        assert await page.text(".caption .coming") == await page.text(".caption .unheard") == ""
        at.clean()


async def test_a_dropped_call_goes_on_over_another(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its peer connection ends in mid-reply, and the conversation does not: the session is the same."""
    peers: list[Peer] = []

    def made(ice: Ice) -> Peer:
        peers.append(Peer(ice))
        return peers[-1]

    monkeypatch.setattr(calls, "Peer", made)
    async with scene(page, "webrtc") as at:
        await page.click("#examples li:first-child button")
        await page.says("#line-kind", "over WebRTC")
        await page.says(".caption", ANSWER.split(",")[0])
        session = (await at.state())["session"]["id"]
        await peers[0].close()
        await page.says(".note", "where you left off")
        await page.says("#line-kind", "over WebRTC")
        await page.says(".caption .heard", "sixty.")
        await page.type("#question", "And again?")
        await page.click("#ask button")
        await page.says(".reply:last-child .caption", ANSWER.split(",")[0])
        assert await page.until(LEVEL) > 0
        assert (await at.state())["session"]["id"] == session and len(peers) == 2
        at.clean()


async def test_sound_that_the_browser_holds_back_is_explained(page: Page) -> None:
    page.touched = False
    async with scene(page) as at:
        await page.evaluate("document.querySelector('#examples button').click()")
        await page.says("#trouble", "holds back the sound until you touch the page")
        await page.says(".reply .caption", ANSWER.split(",")[0])
        assert await page.evaluate(LEVEL) == 0
        await at.looked_at("held-back")
        await page.click(".user .words")
        await page.until("document.querySelector('#trouble').textContent === ''")
        assert await page.until(LEVEL) > 0
        [held] = page.errors  # the browser's own line about it
        assert "AudioContext was not allowed to start" in held


async def test_where_webrtc_does_not_connect_it_is_websocket(page: Page) -> None:
    async with scene(page, "auto") as at:
        await page.evaluate(
            "void (RTCPeerConnection.prototype.createOffer = () => Promise.reject(new Error('no')))"
        )
        await page.click("#examples li:first-child button")
        await page.says(".note", "goes over WebSocket")
        await page.says("#line-kind", "over WebSocket")
        await page.says(".reply .caption", ANSWER.split(",")[0])
        at.clean()


async def test_a_phone_shows_the_beginning_and_folds_the_measurements(page: Page) -> None:
    async with scene(page) as at:
        await page.size(*PHONE)
        await page.go(at.url)
        await page.until("document.querySelector('#examples button')")
        await page.evaluate("new Promise((done) => setTimeout(done, 200))")
        assert await page.evaluate("scrollY") == 0
        await page.click("#examples li:first-child button")
        await page.says(".timing summary", "until the first sound here")
        assert await page.evaluate("document.querySelector('.timing').open") is False
        await page.click(".timing summary")
        await page.says(".stages", "first word")
        at.clean()


async def test_a_question_in_writing_needs_no_microphone(at: Scene) -> None:
    page = at.page
    await page.click("#examples li:first-child button")
    await page.says(".user .words", "What is twenty seven plus fifteen?")
    await page.says(".reply .caption", ANSWER.split(",")[0])
    await page.until(LEVEL)
    await page.type("#question", "And again?")
    await page.key("Enter", 13, "\r")
    await page.says(".user .words", "And again?")
    await page.says(".reply .ending", "stopped")
    assert await page.evaluate(f"(async () => {APP}.conversation.microphone)()") is None
    assert await page.evaluate("document.activeElement.id") == "question"
    at.clean()


async def test_thinking_streams_and_can_be_opened(at: Scene) -> None:
    page = at.page
    at.engine.gate = asyncio.Event()
    await page.click("#examples li:first-child button")
    await page.says(".thoughts summary", "Thinking")
    await page.says(".thoughts .newest", "heard: what is six times nine")
    height = "document.querySelector('.thoughts').getBoundingClientRect().height"
    before = await page.evaluate(height)
    await at.looked_at("thinking")
    at.engine.gate.set()
    await page.says(".thoughts .newest", "54")
    assert await page.evaluate(height) == before  # one line, however much is thought
    await page.click(".thoughts summary")
    await page.says(".thoughts pre", "6*9: 6*9=54, 54")
    await at.looked_at("thoughts")
    at.clean()


async def test_a_tool_is_called_in_sight(at: Scene) -> None:
    page = at.page
    await page.type("#question", "Set a timer for five minutes.")
    await page.click("#ask button")
    await page.says(".calls li", 'set_timer({"minutes": 5})')
    await page.says(".calls .gives", 'gave {"ok":true}')
    await page.says(".caption", "The timer is set.")
    await page.says("#timers li", "5 min timer")
    await at.looked_at("timer")
    at.clean()


async def test_a_microphone_that_is_denied_is_explained(at: Scene) -> None:
    page = at.page
    await page.microphone(at.url, "denied")
    await page.click("#talk")
    await page.says("#trouble", "did not let this page use the microphone")
    await at.looked_at("denied")
    await page.type("#question", "What is six times nine?")
    await page.click("#ask button")
    await page.says(".caption", ANSWER.split(",")[0])
    at.clean()


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
async def test_push_to_talk(page: Page, transport: str) -> None:
    async with scene(page, transport) as at:
        await page.evaluate("document.querySelector('select[name=talk]').value = 'push'")
        await page.evaluate("document.querySelector('#settings form').dispatchEvent(new Event('input'))")
        await page.click("#talk")
        await page.until("document.querySelector('#push').checkVisibility()")
        await page.says("#activity", "Ready")
        assert await page.evaluate(f"(async () => {APP}.conversation.microphone.track.enabled)()") is False
        await page.mouse("mousePressed", "#push")
        await page.says("#push", "Release")
        await at.looked_at("push")
        await page.until(f"(async () => {APP}.conversation.pressedMs > 400)()")
        await page.mouse("mouseReleased", "#push")
        await page.says(".user .words", HEARD)
        await page.says(".caption", ANSWER.split(",")[0])
        assert await page.text("#trouble") == ""
        at.clean()


async def test_mute_sends_silence(at: Scene) -> None:
    page = at.page
    sent = f"(async () => {APP}.conversation.sentMs)()"
    await page.click("#talk")
    await page.click("#mute")
    await page.until("document.querySelector('#mute').getAttribute('aria-pressed') === 'true'")
    muted_at = await page.evaluate(sent)
    await page.until(f"{sent}.then((ms) => ms > {muted_at + 7000})")  # longer than the recording
    assert all(mark["startMs"] <= muted_at for mark in (await at.state())["marks"])
    level = f"(async () => Math.max(...{APP}.conversation.levels.slice(-100).map((one) => one.level)))()"
    assert await page.evaluate(level) == 0
    await at.looked_at("muted")
    at.clean()


async def test_a_dropped_line_says_so_and_goes_on(at: Scene) -> None:
    page = at.page
    await page.click("#talk")
    await page.says(".caption", ANSWER.split(",")[0])
    at.line.up.clear()
    at.line.drop()
    await page.says(".note", "The line dropped")
    await at.looked_at("dropped")
    at.line.up.set()
    await page.says(".note", "where you left off")
    await page.says("#line", "Connected")
    await page.until("document.querySelectorAll('.reply').length === 2")
    await page.says(".reply:last-child .caption", ANSWER.split(",")[0])
    await at.looked_at("resumed")
    at.clean()


async def test_a_server_that_was_restarted_is_told_what_was_said(page: Page) -> None:
    after = ScriptedEngine(reply)
    async with scene(page, resume_seconds=0.5) as at, serving(after, ScriptedVoice()) as address:
        await page.click("#examples li:first-child button")
        await page.says(".caption", "sixty.")
        await page.click("#stop")
        await page.says(".reply .ending", "not heard")
        heard = (await page.text(".caption .heard")).strip()
        at.line.port = urlsplit(address).port or 0
        at.line.drop()
        await page.says(".note", "it was told what was said so far")
        await page.type("#question", "And now?")
        await page.click("#ask button")
        await page.says(".reply:last-child .caption", ANSWER.split(",")[0])
        told = text_of(after.requests[-1])
        assert "What is twenty seven plus fifteen?" in told and heard in told and "sixty" not in told
        at.clean()
        await page.click("#end")
        await idle(after)


async def test_settings_are_kept_and_take_effect(at: Scene) -> None:
    page = at.page
    await page.click("#open-settings")
    await page.until("document.querySelector('#settings').open")
    await at.looked_at("settings")
    for name, value in (
        ("voice", "bob"),
        ("effort", "low"),
        ("detection", "semantic_vad"),
        ("eagerness", "high"),
    ):
        await page.evaluate(f"document.querySelector('[name={name}]').value = '{value}'")
    await page.type("[name=instructions]", "Your name is Ada.")
    await page.key("Escape", 27)
    await page.go(at.url)
    await page.until("document.querySelector('#examples button')")
    await page.click("#examples li:first-child button")
    await page.says(".caption", "Six")
    session = (await at.state())["session"]
    assert session["instructions"] == "Your name is Ada."
    assert session["audio"]["output"]["voice"] == "bob"
    assert session["audio"]["input"]["turn_detection"]["eagerness"] == "high"
    assert session["reasoning"]["effort"] == "low"
    assert {name for _, name, _ in at.voice.said} == {"bob"}
    at.clean()


async def test_a_key_is_asked_for_and_not_kept(page: Page) -> None:
    async with scene(page, keys=["hunter2"]) as at:
        await page.click("#examples li:first-child button")
        await page.until("document.querySelector('#key').open")
        await page.type("#key input", "wrong")
        await page.key("Enter", 13, "\r")
        await page.says("#key-trouble", "not accepted")
        await at.looked_at("key")
        await page.type("#key input", "hunter2")
        await page.key("Enter", 13, "\r")
        await page.says(".caption", "Six")
        stored = await page.evaluate("JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")
        assert "hunter2" not in stored and "ek_" not in stored
        assert await page.evaluate("document.querySelector('#key input').value") == ""
        [refused] = page.errors  # the browser's own line about the 401
        assert "401" in refused


async def test_the_keyboard_reaches_everything(at: Scene) -> None:
    page = at.page
    await page.click("#examples li:first-child button")
    await page.says(".caption", "Six")
    await page.evaluate("document.activeElement.blur()")
    seen: list[Any] = []
    for _ in range(14):
        await page.key("Tab", 9)
        seen.append(await page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"open-settings", "SUMMARY", "talk", "question", "end"} <= set(seen)
    await page.key("Escape", 27)
    await page.says(".reply .ending", "stopped")
    at.clean()


async def test_axe_finds_nothing(at: Scene, axe: str) -> None:
    page = at.page
    await page.evaluate(axe)

    async def look(name: str) -> None:
        """Light and dark, as a phone and a desk show it."""
        for dark in (False, True):
            await page.dark(dark)
            for size in (PHONE, DESK):
                await page.size(*size)
                check = (
                    "axe.run().then((all) => all.violations.map((one) => one.id + ' ' + one.nodes[0].html))"
                )
                assert await page.evaluate(check) == []
            await at.looked_at(f"{name}-dark" if dark else name)

    await look("ready")
    await page.click("#open-settings")
    await look("set")
    await page.key("Escape", 27)
    await page.click("#talk")
    await page.says(".reply .ending", "not heard")
    await page.until("document.querySelector('.waterfall')")
    await page.click(".thoughts summary")
    await page.click("#mute")
    await look("conversation")
    at.clean()
