"""`talk` as a client: a device that plays by its own clock, the whole server but for its engine."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from server.ask import AskError
from server.audio_file import RATE, read_pcm
from server.reel import Reel
from server.report import Lines as Shown
from server.talk import Lines, Manner, talk
from server.talk_view import View
from streaming.errors import Refused
from tests.processes import RECORDINGS, ROOT
from tests.scripted import ScriptedEngine
from tests.server.client import eventually, idle, pcm, serving
from tests.streaming.talk import text_of
from tests.voices import LETTER, ScriptedVoice

PACKET = 480  # samples
SPOKEN = Manner()
LONG = ("hm", "\n</think>\n", "one two three four five six seven eight nine ten eleven twelve thirteen. ")


class Fake:
    """It plays a block with every packet that is taken, and its clock is what it has played."""

    def __init__(self, speech: bytes = b"") -> None:
        self.reel = Reel()
        self.speech = deque[bytes]()
        self.played = bytearray()
        self.say(speech)

    def say(self, speech: bytes) -> None:
        self.speech += [speech[at : at + 2 * PACKET] for at in range(0, len(speech), 2 * PACKET)]

    def now(self) -> float:
        return len(self.played) / (2 * RATE)

    async def read(self) -> bytes:
        await asyncio.sleep(PACKET / RATE)
        self.played += self.reel.pull(PACKET, self.now())
        return (self.speech.popleft() if self.speech else b"").ljust(2 * PACKET, b"\0")

    @property
    def sounds(self) -> int:
        """Samples played that were none of silence: the scripted voice's."""
        return self.played.count(b"\1\2")


def long() -> ScriptedEngine:
    return ScriptedEngine(lambda context, sampling: LONG)


@asynccontextmanager
async def terminal(
    url: str, device: Fake | None, manner: Manner = SPOKEN
) -> AsyncIterator[Callable[[], str]]:
    """`talk`, running; gives what it has shown so far."""
    out = io.StringIO()
    running = asyncio.create_task(talk(url, None, View(Shown(out)), manner, device, None))

    def shown() -> str:
        assert not running.done(), running.result()
        return out.getvalue()

    try:
        yield shown
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_spoken_question_its_thoughts_and_the_reply_in_step_with_its_sound() -> None:
    device = Fake(read_pcm(RECORDINGS / "sum.wav"))
    async with serving(ScriptedEngine(), ScriptedVoice()) as url, terminal(url, device) as shown:
        await eventually(lambda: "latency" in shown() and device.reel.silent(device.now()))
        text = shown()
    assert re.search(r"^ thinking  heard: one plus one\n +1\+1=2", text, re.M)
    assert re.search(r"^ +you  ", text, re.M)
    assert re.search(r"^ +reply  1 plus 1 is 2\.$", text, re.M)
    assert re.search(r"^ +latency  .*turn ended \d+ ms.*first sound \d+ ms$", text, re.M)
    assert device.sounds == LETTER * len("oneplusoneistwo")
    assert "not heard" not in text


async def test_who_cuts_in_silences_it_at_once_and_the_model_knows_what_was_heard() -> None:
    engine, device = long(), Fake(pcm(600))
    async with serving(engine, ScriptedVoice()) as url, terminal(url, device) as shown:
        await eventually(lambda: device.sounds > LETTER * 6)  # "one two"
        device.say(pcm(900))
        await eventually(lambda: "not heard" in shown())
        at = device.sounds
        await eventually(lambda: "cut off" in shown())
        assert device.sounds == at
        await eventually(lambda: len([r for r in engine.requests if "one two" in text_of(r)]) > 0)
        said = next(text_of(r) for r in engine.requests if "one two" in text_of(r))
        found = re.search(r"reply  (.*?) \[not heard: (.+)\]", shown())
    assert found is not None
    heard, missed = found[1].split(), found[2].split()
    assert heard[:2] == ["one", "two"] and missed and "thirteen" not in said
    assert missed[0] not in said.split("one two")[1].split()


async def test_half_duplex_the_microphone_is_muted_while_it_speaks() -> None:
    device = Fake(pcm(600))
    manner = Manner(half_duplex=True)
    async with serving(ScriptedEngine(), ScriptedVoice()) as url, terminal(url, device, manner) as shown:
        await eventually(lambda: device.sounds > 0)
        device.say(pcm(600))  # its own echo
        await eventually(lambda: "latency" in shown())
        await eventually(lambda: device.reel.silent(device.now()))
        text = shown()
    assert "1 plus 1 is 2." in text and "not heard" not in text and "cut off" not in text


async def test_text_where_the_server_has_no_voice() -> None:
    async with serving(ScriptedEngine()) as url, terminal(url, Fake(pcm(600))) as shown:
        await eventually(lambda: "latency" in shown())
        assert "reply  1 plus 1 is 2." in shown()


async def test_typed_questions_are_answered_aloud_one_after_the_other() -> None:
    engine, out = ScriptedEngine(), io.StringIO()

    class Playing(Fake):
        """Nobody takes its microphone."""

        def now(self) -> float:
            self.played += self.reel.pull(PACKET, super().now())
            return super().now()

    device, lines = Playing(), Lines(["one plus one\n", "\n", "and again"])
    async with serving(engine, ScriptedVoice()) as url:
        manner = Manner(typed=True, echo=True)
        assert await talk(url, None, View(Shown(out)), manner, device, lines)
    shown = out.getvalue()
    assert re.findall(r"^ +(you|reply)  (.*)$", shown, re.M) == [
        ("you", "one plus one"),
        ("reply", "1 plus 1 is 2."),
        ("you", "and again"),
        ("reply", "1 plus 1 is 2."),
    ]
    assert "and again" in text_of(engine.requests[-1]) and "is 2." in text_of(engine.requests[-1])
    assert device.sounds > 0


class Proxy:
    """Between client and server: its lines can be cut."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rsplit(":", 1)[1])
        self._open: list[asyncio.StreamWriter] = []
        self.lines = 0
        self.deaf = False  # what the client sends is lost

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, thither = await asyncio.open_connection("127.0.0.1", self._port)
        self._open += [writer, thither]
        self.lines += 1

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    if not (self.deaf and sink is thither):
                        sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, thither), pump(there, writer))

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()
        self.deaf = False


@asynccontextmanager
async def through(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    proxy = Proxy(url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        proxy.cut()
        server.close()


async def test_a_line_that_drops_in_mid_reply_comes_back_and_nothing_is_missed() -> None:
    engine = ScriptedEngine()
    engine.gate = asyncio.Event()
    device = Fake(pcm(600))
    async with serving(engine, ScriptedVoice()) as url, through(url) as (proxy, there):
        async with terminal(there, device) as shown:
            await eventually(lambda: "thinking" in shown())
            proxy.cut()
            await eventually(lambda: "the line is back" in shown())
            engine.gate.set()
            await eventually(lambda: "latency" in shown())
            engine.gate = None
            assert proxy.lines == 2
            assert "1 plus 1 is 2." in shown() and "the line has dropped" in shown()
            device.say(pcm(600))  # and it goes on
            await eventually(lambda: shown().count("latency") == 2)


async def test_what_was_said_while_the_line_was_going_is_heard_all_the_same() -> None:
    engine, said = ScriptedEngine(), 2000
    device = Fake(pcm(said))
    async with serving(engine, ScriptedVoice()) as url, through(url) as (proxy, there):
        async with terminal(there, device) as shown:
            await eventually(lambda: len(device.speech) * 20 < said - 800)
            proxy.deaf = True
            await eventually(lambda: len(device.speech) * 20 < said - 1300)
            proxy.cut()
            await eventually(lambda: "latency" in shown())
            assert "the line is back" in shown() and proxy.lines == 2
    assert engine.requests[-1].audio_tokens >= said // 80


async def test_a_conversation_that_is_not_kept_any_longer_is_told_in_one_line() -> None:
    async with serving(ScriptedEngine(), resume_seconds=0.05) as url, through(url) as (proxy, there):
        out, device = io.StringIO(), Fake(pcm(600))
        running = asyncio.create_task(talk(there, None, View(Shown(out)), SPOKEN, device, None))
        await eventually(lambda: "latency" in out.getvalue())
        proxy.cut()
        with pytest.raises(AskError, match="no conversation with this token|the server closed"):
            await running


async def test_who_leaves_is_not_waited_for() -> None:
    engine = long()
    async with serving(engine, ScriptedVoice()) as url:
        async with terminal(url, device := Fake(pcm(600))):
            await eventually(lambda: device.sounds > 0)
            assert engine.running() > 0
        await idle(engine)


async def test_servers_that_are_not_there_or_want_a_key() -> None:
    async with serving(ScriptedEngine(), keys=["k"]) as url:
        for key, why in (("wrong", "401"), (None, "401")):
            with pytest.raises(AskError, match=why):
                await talk(url, key, View(Shown(io.StringIO())), SPOKEN, Fake(), None)
        typed = Manner(typed=True, spoken=False)
        assert await talk(url, "k", View(Shown(io.StringIO())), typed, None, Lines(["hello"]))
    with pytest.raises(AskError, match="cannot connect"):
        await talk(url, None, View(Shown(io.StringIO())), SPOKEN, Fake(), None)


# --- the command ---


async def run(*arguments: str, stdin: bytes = b"", **env: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `soundmind talk` with a pipe for stdin."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "server.cli", "talk", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("SOUNDMIND_")} | env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_types_what_comes_through_a_pipe() -> None:
    engine = ScriptedEngine()
    async with serving(engine, ScriptedVoice(), keys=["k"]) as url:
        code, out, err = await run(
            "--text", "--url", url, "--api-key", "k", stdin=b"one plus one\nand again\n"
        )
    assert (code, err) == (0, "")
    assert out.count("reply  1 plus 1 is 2.\n") == 2 and "\033" not in out
    assert out.count("thinking  heard: one plus one") == 2


async def test_the_command_tells_by_its_exit_code_that_a_reply_failed() -> None:
    engine = ScriptedEngine()
    engine.refusal = Refused("broken")
    async with serving(engine) as url:
        code, out, _ = await run("--text", "--url", url, stdin=b"one plus one\n")
    assert code == 1 and "(failed" in out


async def test_ctrl_c_ends_the_command_and_its_conversation() -> None:
    engine = ScriptedEngine()
    engine.gate = asyncio.Event()
    async with serving(engine) as url:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "server.cli", "talk", "--text", "--url", url],
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdin is not None
        process.stdin.write(b"one plus one\n")
        await eventually(lambda: engine.running() > 1)
        process.send_signal(signal.SIGINT)
        out = (await process.communicate())[0].decode()
        await idle(engine)  # it is not kept for who may come back
    assert process.returncode == 130 and "Traceback" not in out
    assert out.endswith("\n") and "you  one plus one" in out


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("ImportError('sounddevice')", "pip install 'soundmind[talk]'"),
        ("OSError('PortAudio library not found')", "apt-get install libportaudio2"),
    ],
)
async def test_the_command_says_what_to_install(raised: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(f"raise {raised}")
    where = os.pathsep.join([str(tmp_path), str(ROOT)])
    for arguments in ([], ["--text", "--speak"]):
        code, out, err = await run(*arguments, "--url", "ws://127.0.0.1:9", PYTHONPATH=where)
        assert (code, out, len(err.splitlines())) == (1, "", 1), err
        assert told in err and "--text" in err
