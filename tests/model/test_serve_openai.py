"""Stock vLLM's own server takes audio from the stock openai client.

Started as a module, since the `vllm` command of the CPU wheel looks for a distribution of another name.
"""

from __future__ import annotations

import base64
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import soundfile
from openai.types.chat import ChatCompletion, ChatCompletionContentPartInputAudioParam

from model.checkpoint import NANO
from tests.model import engines
from tests.model.listening import voice

STARTS_WITHIN = 240.0  # seconds, on a busy machine


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "vllm.entrypoints.openai.api_server",
                "--model", str(NANO), "--served-model-name", "nano",
                "--host", "127.0.0.1", "--port", str(port),
                "--enforce-eager", "--block-size", "32", "--dtype", "float32", "--max-model-len", "1024",
            ],
            env={**os.environ, **engines.ENVIRONMENT},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
            wait_until_up(server, client, log)
            yield client
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_until_up(server: subprocess.Popen[bytes], client: openai.OpenAI, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()[-4000:]
        try:
            client.models.list()
            return
        except openai.APIConnectionError:
            time.sleep(0.5)
    raise AssertionError("the server did not start: " + log.read_text()[-4000:])


def ask(client: openai.OpenAI, seconds: float, rate: int = 16_000, thinking: bool = True) -> ChatCompletion:
    """One spoken question. `rate` is how the file is labelled: 1 s at 32 kHz is half a second."""
    file = io.BytesIO()
    soundfile.write(file, voice(seconds).numpy(), rate, format="WAV")
    data = base64.b64encode(file.getvalue()).decode()
    audio: ChatCompletionContentPartInputAudioParam = {
        "type": "input_audio",
        "input_audio": {"data": data, "format": "wav"},
    }
    return client.chat.completions.create(
        model="nano",
        messages=[{"role": "user", "content": [audio]}],
        max_tokens=16,
        temperature=0.0,
        reasoning_effort="low" if thinking else "none",
    )


def test_spoken_input_gets_an_answer(client: openai.OpenAI) -> None:
    answer = ask(client, 1.0)
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_every_second_costs_the_tokens_it_should(client: openai.OpenAI) -> None:
    prompt = [ask(client, seconds).usage for seconds in (1.0, 2.0, 25.0, 31.0)]
    one, two, piece, more = (usage.prompt_tokens for usage in prompt if usage is not None)
    assert two - one == 25 - 13
    assert piece - one == 313 - 13
    assert more - piece == 75 + 2  # another piece, with its start and end


def test_other_sampling_rates_are_resampled(client: openai.OpenAI) -> None:
    usages = ask(client, 2.0, rate=32_000).usage, ask(client, 1.0).usage
    assert usages[0] is not None and usages[1] is not None
    assert usages[0].prompt_tokens == usages[1].prompt_tokens


def test_effort_none_ends_the_thinking_before_it_starts(client: openai.OpenAI) -> None:
    usages = ask(client, 1.0, thinking=False).usage, ask(client, 1.0).usage
    assert usages[0] is not None and usages[1] is not None
    assert usages[0].prompt_tokens > usages[1].prompt_tokens


def test_audio_too_short_for_a_token_is_refused_in_one_line(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="the audio has 160 samples at 16 kHz"):
        ask(client, 0.01)


def test_text_alone_works(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="nano", messages=[{"role": "user", "content": "hello"}], max_tokens=4, temperature=0.0
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
