"""Audio as vLLM's engine takes it: log-mel windows at places of a prompt.

Used by the processor for one-shot requests, and directly by whoever appends live audio to a resumable
request: `audio_prompt` builds the engine's input from token ids and `AudioItem`s, with no Hugging Face
processor on the way. Knows no tokenizer, no network and no sessions.

When an item may go without its data: vLLM needs the data of every item that its prefix cache does not
cover wholly. With `mm_processor_cache_gb` > 0 (vLLM's default) and one API process the engine also keeps
what it was sent, by key, until that many GiB evict it: then an item without data is looked up there, and
a request whose item is gone ends with an error that harms no other. With that cache off, an item without
data on a prefix miss kills the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import BatchFeature
from vllm.inputs.engine import MultiModalInput, TokensInput, mm_input, tokens_input
from vllm.multimodal.inputs import (
    MultiModalFieldConfig,
    MultiModalKwargsItem,
    MultiModalKwargsItems,
    PlaceholderRange,
)

from model.windows import Window

AUDIO = "audio"  # vLLM's name of the modality
MEL = "audio_mel"  # an item: normalised log-mel of its windows side by side, [n_mels, sum of T]
WINDOWS = "audio_windows"  # an item: int64 [windows, 5], each (T, real, first, start, stop)
FIELDS = {
    MEL: MultiModalFieldConfig.batched(AUDIO),
    WINDOWS: MultiModalFieldConfig.batched(AUDIO, keep_on_cpu=True),
}


@dataclass(frozen=True)
class AudioItem:
    """Audio embeddings at prompt positions [offset, offset + tokens), which hold audio tokens.

    `key` names the embeddings for vLLM's caches: the same key must always mean the same embeddings.
    `mel` is normalised log-mel [n_mels, T] of `window`; both are None for an item that the engine has.
    """

    key: str
    offset: int
    tokens: int
    mel: Tensor | None = None
    window: Window | None = None


def window_row(window: Window) -> list[int]:
    """A row of WINDOWS: frames, real frames, first frame in the piece, and the tokens kept."""
    return [window.end - window.first, window.real, window.first, window.keep.start, window.keep.stop]


def kwargs_items(mels: Sequence[Tensor], windows: Sequence[Tensor]) -> BatchFeature:
    """Items' data as a Hugging Face processor would return it, for FIELDS to be applied to."""
    return BatchFeature({MEL: list(mels), WINDOWS: list(windows)})


def audio_item(mel: Tensor, window: Window) -> MultiModalKwargsItem:
    """The data of one item: log-mel [n_mels, T] (half precision will do) of one window of a piece.

    Raises ValueError when they do not fit.
    """
    if mel.ndim != 2 or mel.shape[1] != window.end - window.first:
        raise ValueError(f"log-mel of shape {tuple(mel.shape)} for frames {window.first} to {window.end}")
    # A slice would drag the whole stream's storage along to the engine.
    data = kwargs_items([mel.detach().cpu().clone()], [torch.tensor([window_row(window)])])
    return MultiModalKwargsItems.from_hf_inputs(data, FIELDS)[AUDIO][0]


def audio_prompt(
    token_ids: Sequence[int], items: Sequence[AudioItem] = (), cache_salt: str | None = None
) -> MultiModalInput | TokensInput:
    """The engine's input for `AsyncLLM.generate`, also inside a StreamingInput.

    Offsets count from the first of `token_ids`, in an append too. `cache_salt` keeps requests of
    different salts from sharing cached prefixes. Raises ValueError when an item does not fit.
    """
    if not items:
        return tokens_input(list(token_ids), cache_salt=cache_salt)
    at = 0
    data: list[MultiModalKwargsItem | None] = []
    for item in items:
        if item.tokens < 1 or item.offset < at or item.offset + item.tokens > len(token_ids):
            raise ValueError(
                f"audio of {item.tokens} tokens at {item.offset}: out of order, or out of the prompt"
            )
        at = item.offset + item.tokens
        if item.mel is None or item.window is None:
            data.append(None)
            continue
        if item.window.stop - item.window.start != item.tokens:
            raise ValueError(f"a window of {item.window.stop - item.window.start} tokens for {item.tokens}")
        data.append(audio_item(item.mel, item.window))
    return mm_input(
        list(token_ids),
        MultiModalKwargsItems({AUDIO: data}),
        {AUDIO: [item.key for item in items]},
        {AUDIO: [PlaceholderRange(item.offset, item.tokens) for item in items]},
        cache_salt=cache_salt,
    )
