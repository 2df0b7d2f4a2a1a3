"""The command line as a newcomer and a careless user meet it: real processes, a real engine where needed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.processes import alive, soundmind


def outcome(*arguments: str, **env: str) -> tuple[int, str]:
    with soundmind(*arguments, **env) as process:
        code = process.end()
    return code, "".join(process.output)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--help"], ["serve", "ask", "start here", "environment"]),
        (
            ["serve", "--help"],
            ["nano", "--port", "--host", "--demo", "--encoding", "--look-ahead-ms", "vLLM"],
        ),
        (["ask", "--help"], ["FILE", "--url", "--json", "--think"]),
        (["eval", "--help"], ["FOLDER", "--live", "--conditions", "--out"]),
        (["bench", "load", "--help"], ["FOLDER", "--url", "--knee", "--transport", "--barge-ins", "vLLM"]),
        (["talk", "--help"], ["--text", "--speak", "--half-duplex", "--url", "--api-key"]),
        (["--version"], ["soundmind 0."]),
    ],
)
def test_help(arguments: list[str], told: list[str]) -> None:
    code, output = outcome(*arguments)
    assert code == 0
    assert not [word for word in told if word not in output]


def one_line(code: int, *arguments: str, **env: str) -> str:
    """The one line on what is wrong, of a run that ended with this code."""
    ended, output = outcome(*arguments, **env)
    lines = [line for line in output.splitlines() if not line.startswith(("loading", "starting"))]
    assert (ended, len(lines)) == (code, 1), output
    return lines[0]


@pytest.mark.parametrize(
    "arguments", [[], ["explode"], ["ask"], ["serve", "--port", "many"], ["ask", "x.wav", "--think", "maybe"]]
)
def test_a_command_line_that_makes_no_sense(arguments: list[str]) -> None:
    code, output = outcome(*arguments)
    assert code == 2
    assert "usage: soundmind" in output and "Traceback" not in output


def test_settings_that_make_no_sense(tmp_path: Path) -> None:
    assert "port: expected 0 to 65535, got 99999" in one_line(2, "serve", "--port", "99999")
    assert "a multiple of 80 ms" in one_line(2, "serve", "--look-ahead-ms", "100")
    assert "known are model, host" in one_line(2, "serve", SOUNDMIND_COLOUR="red")
    assert "cannot be read" in one_line(2, "serve", "--config", str(tmp_path / "none.toml"))


def test_files_that_are_no_audio(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.wav", tmp_path / "empty.wav"
    text.write_text("what is twenty seven plus fifteen")
    empty.touch()
    assert "no such file" in one_line(1, "ask", str(tmp_path / "none.wav"))
    assert "expected audio" in one_line(1, "ask", str(text))
    assert "the file is empty" in one_line(1, "ask", str(empty))


def test_recordings_that_cannot_be_scored(tmp_path: Path) -> None:
    assert "expected one CSV file" in one_line(1, "eval", str(tmp_path))
    assert "expected some of clean,noise,telephone" in one_line(2, "eval", "--conditions", "loud")


def test_checkpoints_that_are_none(tmp_path: Path) -> None:
    assert "no such folder" in one_line(1, "serve", str(tmp_path / "none"), "--port", "0")
    assert "no config.json" in one_line(1, "serve", str(tmp_path), "--port", "0")
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}')
    assert "expected a StepAudio2ForCausalLM" in one_line(1, "serve", str(tmp_path), "--port", "0")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port}: Address already in use" in one_line(1, "serve", "--port", port)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    file = Path(__file__).parents[1] / "recordings" / "sum.wav"
    assert "cannot connect" in one_line(1, "ask", str(file), "--url", f"ws://127.0.0.1:{free}")


def test_too_little_memory_for_the_cache() -> None:
    """The real engine."""
    line = one_line(1, "serve", "--port", "0", "--", "--num-gpu-blocks-override", "4")
    assert "KV cache" in line


def test_an_argument_that_vllm_does_not_know() -> None:
    assert "--no-such-flag" in one_line(1, "serve", "--port", "0", "--", "--no-such-flag")


@pytest.mark.parametrize("signal_name", ["interrupt", "terminate"])
def test_a_signal_while_the_engine_starts(signal_name: str) -> None:
    with soundmind("serve", "--port", "0") as server:
        server.until("starting the engine … 10 s")
        family = server.family()
        getattr(server, signal_name)()
        assert server.end() in (130, 143)
        assert not alive(family)
    assert "Traceback" not in "".join(server.output)
