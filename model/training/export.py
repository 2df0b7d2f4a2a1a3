"""A training state to a checkpoint folder: float16 safetensors, tokenizer and configuration.

The frozen encoder has a shard of its own, so that a fork of the weights need not carry it.
Knows nothing of how the weights came about.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model import checkpoint
from model.config import StepAudio2Config
from model.training import again, sources, tokenizer
from model.training.features import AUDIO
from model.training.train import text_config

ENCODER, REST = "encoder.safetensors", "decoder.safetensors"


def mixed(before: Mapping[str, Tensor], after: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """The mean of two trainings' weights, `share` of it `after`'s, of what both have.

    Where the second went on from the first, it keeps more of what that knew ("Robust fine-tuning of
    zero-shot models", arXiv 2109.01903).
    """
    return {name: torch.lerp(before[name], after[name], share) for name in before.keys() & after.keys()}


def write(
    folder: Path,
    state: Mapping[str, Any],
    latest: bool = False,
    before: Path | None = None,
    share: float = 0.5,
) -> None:
    """Of a training state the average of the weights, or the latest ones.

    `before`: mixed with those of the checkpoint that the training started from.
    """
    weights: Mapping[str, Tensor] = state["learner" if latest else "average"]
    if before:
        weights = mixed(again.shipped(before), weights, share)
    words = tokenizer.build(state["words"])
    eos, pad = words.token_to_id(tokenizer.EOS), words.token_to_id(tokenizer.END_OF_TEXT)
    config = StepAudio2Config(text_config(words.get_vocab_size()), AUDIO, eos, pad)
    rest = {k: v.half() for k, v in weights.items() if k.startswith(("adapter.", "model."))}
    encoder = {k: v.half() for k, v in sources.whisper_encoder().items()}
    checkpoint.save(folder, config, {ENCODER: encoder, REST: rest})
    tokenizer.save(words, folder)
    generation = {"do_sample": False, "temperature": 0.0, "eos_token_id": eos, "pad_token_id": pad}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    checkpoint.check(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path, default=checkpoint.NANO)
    parser.add_argument("--latest", action="store_true", help="the latest weights, not their average")
    parser.add_argument(
        "--before", type=Path, help="mix with this checkpoint, from which the training started"
    )
    parser.add_argument("--share", type=float, default=0.5, help="of the training's weights in the mixture")
    parser.add_argument("--state", type=Path, help="of the training; default: the work folder's")
    given = parser.parse_args()
    state = torch.load(given.state or sources.work() / "state.pt", weights_only=True, map_location="cpu")
    write(given.to, state, given.latest, given.before, given.share)
