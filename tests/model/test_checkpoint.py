from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from model import checkpoint
from model.checkpoint import CheckpointError
from tests import checkpoints


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("sharded", [False, True])
def test_every_layout_loads(tmp_path: Path, flat: bool, tied: bool, sharded: bool) -> None:
    described = checkpoints.write(tmp_path, flat=flat, tied=tied, sharded=sharded)
    assert checkpoint.check(tmp_path) == described
    network = checkpoint.load(tmp_path)
    assert network.config == described
    assert not network.training
    assert (network.lm_head.weight is network.model.embed_tokens.weight) == tied
    assert checkpoint.load(tmp_path, torch.bfloat16).lm_head.weight.dtype == torch.bfloat16


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "a")
    network = checkpoint.load(tmp_path / "a")
    checkpoint.save(tmp_path / "b", network.config, {checkpoint.SINGLE: network.state_dict()})
    again = checkpoint.load(tmp_path / "b").state_dict()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(again[name], tensor, rtol=0, atol=0)


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        checkpoint.check(folder)
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_a_missing_config(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"{tmp_path}: no config.json"


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_damaged_config(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert "not a JSON object" in refused(tmp_path)


def test_another_family(tmp_path: Path) -> None:
    checkpoints.write(tmp_path)
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}')
    assert "expected a StepAudio2ForCausalLM checkpoint" in refused(tmp_path)


def test_no_weights(tmp_path: Path) -> None:
    checkpoints.write(tmp_path)
    (tmp_path / checkpoint.SINGLE).unlink()
    assert refused(tmp_path).endswith("neither model.safetensors.index.json nor model.safetensors")


def test_a_half_downloaded_file(tmp_path: Path) -> None:
    checkpoints.write(tmp_path)
    path = tmp_path / checkpoint.SINGLE
    path.write_bytes(path.read_bytes()[:-1000])
    assert "damaged or incomplete" in refused(tmp_path)


def test_a_missing_shard(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, sharded=True)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    assert refused(tmp_path).endswith("model-00002-of-00002.safetensors is missing")


def test_a_parameter_that_no_shard_has(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, sharded=True)
    path = tmp_path / checkpoint.INDEX
    index = json.loads(path.read_text())
    del index["weight_map"]["adapter.conv.weight"]
    path.write_text(json.dumps(index))
    assert refused(tmp_path).endswith("1 parameters are missing, first adapter.conv.weight")


def test_a_parameter_that_its_shard_lacks(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, sharded=True)
    path = tmp_path / checkpoint.INDEX
    index = json.loads(path.read_text())
    name = next(n for n, f in index["weight_map"].items() if f.startswith("model-00001"))
    index["weight_map"][name] = "model-00002-of-00002.safetensors"
    path.write_text(json.dumps(index))
    assert name in refused(tmp_path)


def test_an_index_that_is_none(tmp_path: Path) -> None:
    checkpoints.write(tmp_path, sharded=True)
    (tmp_path / checkpoint.INDEX).write_text("{")
    assert checkpoint.INDEX in refused(tmp_path)


def test_shapes_of_another_size(tmp_path: Path) -> None:
    checkpoints.write(tmp_path)
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text())
    raw["text_config"]["vocab_size"] = 100
    path.write_text(json.dumps(raw))
    assert "is (512, 128), the configuration says (100, 128)" in refused(tmp_path)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "word", "a/b/c"])
def test_names_that_are_no_checkpoint(name: str) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        checkpoint.resolve(name)


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert checkpoint.resolve(str(tmp_path)) == tmp_path
    assert checkpoint.resolve("nano") == checkpoint.NANO
