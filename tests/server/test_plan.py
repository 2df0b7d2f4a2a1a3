"""The plan on paper: parameters as they are, formulas that hold, and limits that are told."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from safetensors import safe_open

from server.cli import run
from server.plan import (
    GIB,
    GPUS,
    KNOWN,
    NANO,
    RESERVE,
    UTILISATION,
    Machine,
    PlanError,
    decoder_parameters,
    encoder_parameters,
    kv_bytes,
    kv_tokens,
    plan,
    shape,
)


def test_parameters_of_the_known_checkpoints() -> None:
    """Against figures computed elsewhere, from the layouts of their files."""
    mini, r1 = KNOWN["Step-Audio-2-mini"], KNOWN["Step-Audio-R1"]
    assert decoder_parameters(mini.text) + encoder_parameters(mini.audio) == pytest.approx(8.315e9, rel=1e-3)
    assert decoder_parameters(r1.text) == pytest.approx(32.832e9, rel=1e-4)
    assert encoder_parameters(r1.audio) == pytest.approx(0.637e9 + 0.018e9, rel=2e-3)
    assert plan(r1, Machine(GPUS["H100"], 2)).weights / GIB == pytest.approx(62.4, abs=0.1)


def test_parameters_of_nano_to_the_last_one() -> None:
    counted = 0
    for file in NANO.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():
                size = 1
                for extent in tensors.get_slice(name).get_shape():
                    size *= extent
                counted += size
    config = shape("nano")
    assert decoder_parameters(config.text) + encoder_parameters(config.audio) == counted


def test_kv_of_a_token() -> None:
    assert kv_bytes(KNOWN["Step-Audio-R1"].text, 2) == 2 * 64 * 8 * 128 * 2
    assert kv_bytes(KNOWN["Step-Audio-2-mini"].text, 2) == 2 * 28 * 4 * 128 * 2


def test_what_fits_and_how_fast_it_can_be() -> None:
    r1, h100 = KNOWN["Step-Audio-R1"], GPUS["H100"]
    made = plan(r1, Machine(h100, 2))
    assert made.kv_space == 2 * (h100.memory * UTILISATION - RESERVE) - made.weights
    assert made.sessions == made.kv_tokens // 65_536 > 0
    assert made.alone == pytest.approx(2 * 3.35e12 / (made.decoder * 2 + 32_768 * made.token))
    assert made.alone > made.together and made.total > made.alone
    short = plan(r1, Machine(h100, 2), max_model_len=8192)
    assert short.kv_tokens == made.kv_tokens and short.sessions > 7 * made.sessions
    twice = plan(KNOWN["Step-Audio-2-mini"], Machine(h100, 1, 2))
    once = plan(KNOWN["Step-Audio-2-mini"], Machine(h100, 1))
    assert (twice.sessions, twice.alone) == (2 * once.sessions, once.alone)
    fewer = plan(r1, Machine(h100, 2), weight_bytes=1.0)
    assert fewer.alone > 1.7 * made.alone and fewer.kv_tokens > made.kv_tokens


def test_it_agrees_with_what_vllm_reports_for_nano(live: str) -> None:
    """The engine's KV cache is 1 GiB there, in float32; what conversations hold is not free."""
    with urllib.request.urlopen(f"{live}/metrics") as response:
        told = dict(
            line.split() for line in response.read().decode().splitlines() if line.startswith("soundmind_")
        )
    config = shape("nano")
    length = config.text.max_position_embeddings
    has = float(told["soundmind_kv_free_tokens"]) + float(told["soundmind_sessions"]) * length
    assert kv_tokens(GIB, kv_bytes(config.text, 4), 32) == pytest.approx(has, rel=0.05)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(PlanError, match="more GPUs"):
        plan(KNOWN["Step-Audio-R1"], Machine(GPUS["L4"]))
    with pytest.raises(PlanError, match="cannot be shared by 3"):
        plan(KNOWN["Step-Audio-R1"], Machine(GPUS["H100"], 3))
    with pytest.raises(PlanError, match="expected nano"):
        shape("no/such/thing")


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["plan", "stepfun-ai/Step-Audio-R1", "--gpu", "H100", "--count", "2"]) == 0
    told = capsys.readouterr().out
    assert "62.37 GiB" in told and "2 x layers x KV heads x head dimension x bytes" in told
    (tmp_path / "config.json").write_text((NANO / "config.json").read_text())
    assert (
        run(["plan", str(tmp_path), "--gpu", "L4", "--dtype", "float32", "--kv-dtype", "float32", "--json"])
        == 0
    )
    assert json.loads(capsys.readouterr().out)["token"] == 4096
    assert run(["plan", "Step-Audio-R1", "--gpu", "L4"]) == 1
    assert "more GPUs" in capsys.readouterr().err
