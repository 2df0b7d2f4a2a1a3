"""Checkpoints on disk: official safetensors names and shards, in and out.

`resolve` turns what a user names (nano, a folder, a Hugging Face id) into a folder; `load` and `save`
move whole networks. A half or foreign checkpoint is refused in one line, before any weight is read.
Knows nothing of how a network is served.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.config import ConfigError, StepAudio2Config
from model.errors import UserError
from model.network import StepAudio2

NANO = Path(__file__).parent / "nano"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


class CheckpointError(UserError, ValueError):
    """What was named is no complete Step-Audio 2 checkpoint."""


def resolve(name: str) -> Path:
    """The folder of a checkpoint: `nano`, a folder, or a Hugging Face id (fetched when not in the cache).

    Raises CheckpointError when there is none.
    """
    if name == "nano":
        return NANO
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise CheckpointError(
            f"{name}: no such folder (expected nano, a folder, or a Hugging Face id like org/name)"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name))
    except Exception as error:  # the hub raises a dozen kinds, from DNS to 404
        raise CheckpointError(
            f"{name}: not a folder, and not to be had from the Hugging Face Hub ({error})"
        ) from error


def read_config(folder: Path) -> StepAudio2Config:
    """The network that a folder describes. Raises CheckpointError."""
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text())
        return StepAudio2Config.from_dict(raw)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: no config.json") from error
    except (json.JSONDecodeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a JSON object ({error})") from error
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _files(folder: Path) -> dict[str, str]:
    """Parameter name to file name."""
    if (folder / INDEX).exists():
        try:
            weights: dict[str, str] = json.loads((folder / INDEX).read_text())["weight_map"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise CheckpointError(f"{folder / INDEX}: no index of weights ({error})") from error
        return weights
    try:
        with safe_open(folder / SINGLE, "pt") as file:
            return dict.fromkeys(file.keys(), SINGLE)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: neither {INDEX} nor {SINGLE}") from error
    except SafetensorError as error:
        raise CheckpointError(f"{folder / SINGLE}: damaged or incomplete ({error})") from error


def check(folder: Path) -> StepAudio2Config:
    """Make sure that every parameter is there in its shape, reading headers only.

    Of a quantised checkpoint the audio half: how its decoder is stored only vLLM knows. Returns the
    configuration. Raises CheckpointError that names what is missing.
    """
    config = read_config(folder)
    with torch.device("meta"):
        wanted = {name: tuple(t.shape) for name, t in StepAudio2(config).state_dict().items()}
    if config.text.tie_word_embeddings:
        wanted.pop("lm_head.weight")
    if "quantization_config" in json.loads((folder / "config.json").read_text()):
        wanted = {name: shape for name, shape in wanted.items() if name.startswith(("encoder.", "adapter."))}
    files = _files(folder)
    if missing := sorted(wanted.keys() - files.keys()):
        raise CheckpointError(f"{folder}: {len(missing)} parameters are missing, first {missing[0]}")
    for name in sorted({files[key] for key in wanted}):
        if not (folder / name).exists():
            raise CheckpointError(f"{folder}: {name} is missing")
        try:
            with safe_open(folder / name, "pt") as file:
                for key in (k for k in wanted if files[k] == name):
                    shape = tuple(file.get_slice(key).get_shape())
                    if shape != wanted[key]:
                        raise CheckpointError(
                            f"{folder}: {key} is {shape}, the configuration says {wanted[key]}"
                        )
        except SafetensorError as error:
            raise CheckpointError(f"{folder / name}: damaged or incomplete ({error})") from error
    return config


def load(folder: Path, dtype: torch.dtype = torch.float32) -> StepAudio2:
    """The network with its weights, in evaluation mode. Raises CheckpointError."""
    config = check(folder)
    with torch.device("meta"):
        network = StepAudio2(config)
    state: dict[str, Tensor] = {}
    for name in set(_files(folder).values()):
        with safe_open(folder / name, "pt") as file:
            state.update((key, file.get_tensor(key).to(dtype)) for key in file.keys())
    if config.text.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    network.load_state_dict(state, strict=True, assign=True)
    if config.text.tie_word_embeddings:  # assigned one by one, they came apart
        network.lm_head.weight = network.model.embed_tokens.weight
    return network.eval().requires_grad_(False)


def save(
    folder: Path,
    config: StepAudio2Config,
    shards: Mapping[str, Mapping[str, Tensor]],
    raw_config: Mapping[str, object] | None = None,
) -> None:
    """Write config.json, the shards (file name to parameters) and, for more than one, their index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(raw_config or config.to_dict(), indent=2) + "\n")
    where: dict[str, str] = {}
    size = 0
    for file, state in shards.items():
        save_file({k: v.contiguous() for k, v in state.items()}, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(state, file)
        size += sum(v.numel() * v.element_size() for v in state.values())
    if list(shards) != [SINGLE]:
        index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")
