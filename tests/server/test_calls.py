"""Who may call, and every way in which a call ends: nothing of it is left, and its place is free."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aioice.ice
import pytest
from aioice import stun
from aiortc import RTCSessionDescription
from httpx import AsyncClient

from server.ice import Ice
from server.limits import Limits
from server.store import MemoryStore
from tests.scripted import ScriptedEngine
from tests.server.client import eventually, idle, pcm, serving, words_of
from tests.server.peer import QUICK, Peer, Tone, ask, calling, loopback, peer
from tests.server.relay import relayed, without_candidates
from tests.streaming.talk import text_of

REPLY = "Oh yes, it is so, and so it will be for long."
HEADERS = {"authorization": "Bearer sesame"}


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(lambda context, sampling: (REPLY,))


async def test_hanging_up_ends_the_call_and_gives_its_place_back(engine: ScriptedEngine) -> None:
    limits = Limits(sessions=1)
    async with serving(engine, Tone(), keys=["sesame"], limits=limits) as url:
        async with calling(url, QUICK, HEADERS) as client:
            await ask(client)
            assert client.location.startswith("/v1/realtime/calls/rtc_")
            async with peer(url, HEADERS) as other:
                refused = await other.post(await other.offer())
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "rate_limit_exceeded"
            assert (await client.hang_up()).status_code == 200
            await client.closed.wait()
            await eventually(lambda: engine.running() == 0)
            assert (await client.hang_up()).status_code == 404
        async with calling(url, QUICK, HEADERS) as client:
            await client.update()


async def test_a_client_that_closes_leaves_nothing(engine: ScriptedEngine) -> None:
    async with serving(engine, Tone(), limits=Limits(sessions=1)) as url:
        async with calling(url, QUICK) as client:
            await ask(client)
        await idle(engine)
        async with peer(url) as other:
            await other.place(await other.offer())


@pytest.mark.fault(
    fault="call that never connects",
    provoked="an offer over WebRTC whose client never answers",
    seen="nobody is there; the log says what was missing (ICE, DTLS, or the data channel)",
    kept="nothing; its place is free after `connect_seconds`",
)
async def test_a_call_that_never_connects_is_freed(
    engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(sessions=1)
    async with serving(engine, Tone(), limits=limits, connect_seconds=0.3) as url, peer(url) as client:
        offer = await client.offer()
        assert (await client.post(offer)).status_code == 201
        assert (await client.post(offer)).status_code == 429
        await eventually(lambda: "freed" in caplog.text)
        assert "no connection within 0.3 s: ICE found no way to the client" in caplog.text
        await client.place(offer)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda sdp: "hello", "with audio"),
        (lambda sdp: "", "with audio"),
        (lambda sdp: sdp.replace("opus/48000/2", "speex/48000/2"), "with Opus"),
        (lambda sdp: sdp.replace("a=sendrecv", "a=sendonly"), "that can be heard"),
        (lambda sdp: sdp.partition("m=application")[0], "data channel"),
        (lambda sdp: sdp.replace("a=ice-ufrag", "a=ice-nothing"), "cannot be answered"),
        (lambda sdp: sdp + "a=rtpmap:x y\r\n", "SDP"),
        (lambda sdp: "v=0\r\n" * 20_000, "at most"),
    ],
)
async def test_a_bad_offer(change: Any, told: str, engine: ScriptedEngine) -> None:
    async with serving(engine) as url, peer(url) as client:
        answer = await client.post(change(await client.offer()))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid_offer" and told in error["message"]


async def test_a_bad_session_or_body(engine: ScriptedEngine) -> None:
    async with serving(engine, Tone()) as url, peer(url) as client:
        offer = await client.offer()
        wrong = await client.post(offer, {"type": "realtime", "voice": "x"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "unknown_parameter")
        wrong = await client.post(offer, {"audio": {"output": {"voice": "nobody"}}})
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "audio.output.voice")
        wrong = await client.post(offer, {"tool_choice": {"type": "function", "name": "f"}})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_tool_choice")
        wrong = await client.post(offer, headers={"content-type": "text/plain"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_content_type")
        wrong = await client.post("x" * 2**21)
        assert wrong.status_code == 413


async def test_who_may_call(engine: ScriptedEngine) -> None:
    async with serving(engine, Tone(), keys=["sesame"]) as url:
        async with peer(url) as client:
            denied = await client.post(await client.offer())
            assert (denied.status_code, denied.json()["error"]["code"]) == (401, "invalid_api_key")
            client.location = "/v1/realtime/calls/rtc_1"
            assert (await client.hang_up()).status_code == 401
        session = {"type": "realtime", "instructions": "Be brief.", "reasoning": {"effort": "minimal"}}
        async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as http:
            made = await http.post("/v1/realtime/client_secrets", json={"session": session}, headers=HEADERS)
        secret = {"authorization": f"Bearer {made.json()['value']}"}
        async with calling(url, None, secret) as client:
            assert client.seen[0]["session"]["instructions"] == "Be brief."
        async with calling(url, {"instructions": "Be long."}, secret) as client:
            assert client.seen[0]["session"]["instructions"] == "Be long."
            assert client.seen[0]["session"]["reasoning"] == {"effort": "minimal"}


async def test_full_and_dead_are_different_errors(engine: ScriptedEngine) -> None:
    async with serving(engine, Tone()) as url, peer(url) as client:
        offer = await client.offer()
        engine._places = 0
        full = await client.post(offer)
        assert (full.status_code, full.json()["error"]["code"]) == (503, "session_limit")
        engine.alive = False
        dead = await client.post(offer)
        assert (dead.status_code, dead.json()["error"]["code"]) == (503, "engine_unavailable")


async def test_the_engine_dies_in_mid_call(engine: ScriptedEngine) -> None:
    async with serving(engine, Tone()) as url, calling(url, QUICK) as client:
        engine.alive = False
        client.microphone.say(pcm(900))
        error = (await client.until("error"))["error"]
        assert error["code"] == "engine_unavailable"
        await client.closed.wait()


async def test_the_server_stops_in_mid_call(engine: ScriptedEngine) -> None:
    async with peer("ws://nowhere") as client:
        async with (
            serving(engine, Tone()) as url,
            AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as http,
        ):
            client.http = http
            await client.call(QUICK)
            await ask(client)
        await client.closed.wait()
    await idle(engine)


async def test_a_session_lasts_as_long_as_it_may(engine: ScriptedEngine) -> None:
    async with serving(engine, Tone(), limits=Limits(session_seconds=1.5)) as url, calling(url) as client:
        assert client.seen[0]["session"]["expires_at"]
        assert (await client.until("error"))["error"]["code"] == "session_expired"
        await client.closed.wait()


async def test_pages_of_other_origins(engine: ScriptedEngine) -> None:
    path = "/v1/realtime/calls"
    page = {"origin": "https://page.example"}
    async with serving(engine, Tone(), keys=["sesame"]) as url, peer(url, HEADERS) as client:
        asked = await client.http.options(path, headers={**page, "access-control-request-method": "POST"})
        assert asked.headers["access-control-allow-origin"] == page["origin"]
        allowed = asked.headers["access-control-allow-headers"]
        assert {"authorization", "content-type", "x-openai-agents-sdk"} <= set(allowed.split(", "))
        answer = await client.post(await client.offer(), headers=page)
        assert answer.status_code == 201
        assert answer.headers["access-control-allow-origin"] == page["origin"]
        assert "Location" in answer.headers["access-control-expose-headers"]
    async with serving(engine, Tone(), keys=["sesame"], origins=["https://ours.example"]) as url:
        async with peer(url, HEADERS) as client:
            asked = await client.http.options(path, headers=page)
            assert "access-control-allow-origin" not in asked.headers
            answer = await client.post(await client.offer(), headers=page)
            assert answer.status_code == 403


async def test_a_client_whose_network_is_gone_is_noticed(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By the checks that ICE makes all along (RFC 7675), every 5 s by default."""
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.5)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 3)
    caplog.set_level("INFO", "soundmind")
    async with serving(engine, Tone()) as url, peer(url) as client:
        sdp = (await client.post(without_candidates(await client.offer()), QUICK)).text
        async with relayed(sdp) as (relay, through):
            await client.pc.setRemoteDescription(RTCSessionDescription(through, "answer"))
            await client.until("session.created")
            relay.cut = True
            await eventually(lambda: "ended: the peer connection" in caplog.text)
    await idle(engine)


async def coming_back(client: Peer, token: str, after: str) -> None:
    """Over another peer connection, from the offer on."""
    answer = await client.post(await client.offer(), query=f"?resume={token}&after={after}")
    assert answer.status_code == 201, answer.text
    await client.pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    client.location = answer.headers["location"]


@pytest.mark.fault(
    fault="network gone in mid-call",
    provoked="all packets are lost in mid-reply; the client comes back over another peer connection",
    seen="the events it missed, once and in order, and the reply's sound from where it had stopped",
    kept="the session; what had been sent until then counts as heard",
)
async def test_a_call_goes_on_over_another_network(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is gone in mid-reply; the second gets what was missed, once and in order, and the sound."""
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.5)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 3)
    async with serving(engine, Tone()) as url, peer(url) as client, peer(url) as again:
        sdp = (await client.post(without_candidates(await client.offer()), QUICK)).text
        async with relayed(sdp) as (relay, through):
            await client.pc.setRemoteDescription(RTCSessionDescription(through, "answer"))
            await client.until("session.created")
            grant = (await client.update(soundmind={"resume": True}))["session"]["soundmind"]["resume"]
            client.send({"type": "response.create"})
            last = await client.until("response.created")
            await client.until("output_audio_buffer.started")
            relay.cut = True
            await coming_back(again, grant["token"], last["event_id"])
            await again.until("soundmind.resumed")
            missed = again.kinds()
            assert missed.index("response.output_item.added") < missed.index("output_audio_buffer.started")
            assert len({event["event_id"] for event in again.seen}) == len(again.seen)
            await again.until("output_audio_buffer.stopped")
            assert "response.done" in again.kinds() and sum(again.loud()) > 20
            assert (await again.hang_up()).status_code == 200
            await again.closed.wait()
    await idle(engine)


async def test_a_call_goes_on_at_another_server(engine: ScriptedEngine) -> None:
    """One store, two servers: the reply goes on where it had been heard, over a new offer."""
    store = MemoryStore()
    other = ScriptedEngine(lambda context, _: (REPLY[len(text_of(context).rpartition("</think>\n")[2]) :],))
    async with (
        serving(engine, Tone(), store=store, name="s1") as one,
        serving(other, Tone(), store=store, name="s2") as two,
        calling(one, QUICK) as client,
        peer(two) as again,
    ):
        assert client.location.startswith("/v1/realtime/calls/rtc_s1_")
        grant = (await client.update(soundmind={"resume": True}))["session"]["soundmind"]["resume"]
        client.send({"type": "response.create"})
        created = await client.until("response.created")
        await client.until("output_audio_buffer.started")
        last = client.seen[-1]["event_id"]
        await coming_back(again, grant["token"], last)
        await again.until("soundmind.resumed")
        done = await again.until("response.done")
        assert done["response"]["id"] == created["response"]["id"]
        assert done["response"]["status"] == "completed"
        await again.until("output_audio_buffer.stopped")
        assert sum(again.loud()) > 20
        words = [
            event["delta"]
            for caller in (client, again)
            for event in caller.seen
            if event["type"] == "response.output_audio_transcript.delta"
        ]
        assert "".join(words) == words_of(done["response"])
        await client.closed.wait()
        assert again.location.startswith("/v1/realtime/calls/rtc_s2_")
        assert (await again.hang_up()).status_code == 200
    await idle(engine)
    await idle(other)


async def test_who_comes_back_takes_over_and_is_heard(engine: ScriptedEngine) -> None:
    async with serving(engine, Tone()) as url, calling(url, QUICK) as client, peer(url) as again:
        grant = (await client.update(soundmind={"resume": True}))["session"]["soundmind"]["resume"]
        await coming_back(again, grant["token"], client.seen[-1]["event_id"])
        await again.until("soundmind.resumed")
        await client.closed.wait()
        assert again.location == client.location
        again.microphone.say(pcm(900))
        await again.until("input_audio_buffer.committed")
        await again.until("output_audio_buffer.started")


async def test_there_is_nothing_to_come_back_to(engine: ScriptedEngine) -> None:
    async with serving(engine, Tone()) as url, calling(url, QUICK) as client, peer(url) as again:
        refused = await again.post(await again.offer(), query="?resume=made-up")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "resume_failed")
        grant = (await client.update(soundmind={"resume": True}))["session"]["soundmind"]["resume"]
        await coming_back(again, grant["token"], "event_that_never_was")
        assert (await again.until("error"))["error"]["code"] == "resume_failed"
        await client.update()


class Stun(asyncio.DatagramProtocol):
    """A server that says where everybody comes from."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = stun.parse_message(data)
        answer = stun.Message(asked.message_method, stun.Class.RESPONSE, asked.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.99", addr[1])
        self._transport.sendto(bytes(answer), addr)


async def test_a_stun_server_tells_our_address_and_a_dead_one_holds_nobody_up(engine: ScriptedEngine) -> None:
    helper, _ = await asyncio.get_running_loop().create_datagram_endpoint(Stun, local_addr=("127.0.0.1", 0))
    there = Ice(servers=(f"stun:127.0.0.1:{helper.get_extra_info('sockname')[1]}",))
    async with serving(engine, Tone(), ice=there) as url, peer(url) as client:
        answer = (await client.post(await client.offer())).text
        assert "192.0.2.99" in answer and "typ srflx" in answer
    helper.close()
    async with serving(engine, Tone(), ice=there) as url, calling(url) as client:
        await client.update()
