"""One-shot requests: audio of any length in a prompt of text, as `vllm serve` and `LLM` take them.

Each audio replaces one `<audio_start><audio_patch><audio_end>` of the prompt; longer than 25 s it
becomes several pieces, each with its own start and end and nothing between. Knows no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from transformers import BatchFeature
from vllm.config.multimodal import MultiModalDummyOptions
from vllm.inputs import MultiModalDataDict
from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems
from vllm.multimodal.parse import MultiModalDataItems, MultiModalDataParser
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptReplacement,
    PromptUpdate,
    PromptUpdateDetails,
)

from model.config import PIECE_SAMPLES, SAMPLE_RATE, StepAudio2Config, audio_tokens, frames, pieces
from model.features import log_mel
from model.prompt import AUDIO_END, AUDIO_PATCH, AUDIO_START, Prompt
from model.vllm_config import network_config
from model.vllm_inputs import AUDIO, FIELDS, WINDOWS, kwargs_items, window_row
from model.windows import Window

PLACEHOLDER = AUDIO_START + AUDIO_PATCH + AUDIO_END
LONGEST = 30 * 60 * SAMPLE_RATE  # samples of one audio; what it takes of the context limits it before


class StepAudio2Info(BaseProcessingInfo):
    """What vLLM asks before it has an audio."""

    @cached_property
    def network(self) -> StepAudio2Config:
        return network_config(self.get_hf_config())

    @cached_property
    def prompt(self) -> Prompt:
        """Raises model.prompt.PromptError when the tokenizer is another family's."""
        tokenizer = self.get_tokenizer()
        return Prompt.of(lambda text: tokenizer.encode(text, add_special_tokens=False), tokenizer.get_vocab())

    def get_data_parser(self) -> MultiModalDataParser:
        return MultiModalDataParser(
            target_sr=SAMPLE_RATE,
            target_channels=1,
            audio_resample_method="soxr",
            expected_hidden_size=self._get_expected_hidden_size(),
        )

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        return {AUDIO: None}

    def get_supported_mm_processor_kwargs(self) -> dict[str, set[str]]:
        return {}

    def get_mm_max_tokens_per_item(self, seq_len: int, mm_counts: Mapping[str, int]) -> Mapping[str, int]:
        longest = sum(audio_tokens(end - start) for start, end in pieces(LONGEST))
        return {AUDIO: min(seq_len, longest)}


class StepAudio2DummyInputs(BaseDummyInputsBuilder[StepAudio2Info]):
    """What vLLM measures its memory with: one full piece, since pieces are encoded one by one."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        return PLACEHOLDER * mm_counts.get(AUDIO, 0)

    def get_dummy_mm_data(
        self, seq_len: int, mm_counts: Mapping[str, int], mm_options: MultiModalDummyOptions
    ) -> MultiModalDataDict:
        return {AUDIO: [np.zeros(PIECE_SAMPLES, np.float32)] * mm_counts.get(AUDIO, 0)}


class StepAudio2Processor(BaseMultiModalProcessor[StepAudio2Info]):
    """Samples to log-mel windows, and their place in the prompt."""

    def _call_hf_processor(
        self, hf_data: Mapping[str, object], hf_kwargs: Mapping[str, object]
    ) -> BatchFeature:
        audios = hf_data[AUDIO]
        assert isinstance(audios, Sequence)
        n_mels = self.info.network.audio.n_mels
        # The encoder would cast to its own type anyway.
        dtype = self.info.ctx.model_config.dtype
        mels, windows = [], []
        for audio in audios:
            samples = torch.as_tensor(np.asarray(audio, np.float32))
            cut = pieces(samples.numel())
            if not sum(audio_tokens(end - start) for start, end in cut):
                raise ValueError(
                    f"the audio has {samples.numel()} samples at 16 kHz: 321 (20 ms) are the least"
                )
            mel = [log_mel(samples[start:end], n_mels) for start, end in cut]
            mels.append(torch.cat(mel, dim=1).to(dtype))
            windows.append(torch.tensor([window_row(_whole(end - start)) for start, end in cut]))
        return kwargs_items(mels, windows)

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        return FIELDS

    def _get_prompt_updates(
        self,
        mm_items: MultiModalDataItems,
        hf_processor_mm_kwargs: Mapping[str, object],
        out_mm_kwargs: MultiModalKwargsItems,
    ) -> Sequence[PromptUpdate]:
        prompt = self.info.prompt

        def replacement(index: int) -> PromptUpdateDetails:
            windows = out_mm_kwargs[AUDIO][index][WINDOWS].data
            assert isinstance(windows, torch.Tensor)
            ids: list[int] = []
            for *_, start, stop in windows.tolist():
                ids += prompt.audio(stop - start)
            return PromptUpdateDetails.select_token_id(ids, prompt.audio_patch)

        return [PromptReplacement(modality=AUDIO, target=prompt.audio(1), replacement=replacement)]


def _whole(samples: int) -> Window:
    """A piece encoded whole."""
    real = frames(samples)
    return Window(0, real + 2, real, 0, audio_tokens(samples))
