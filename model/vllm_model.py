"""Step-Audio 2 inside vLLM: the encoder and adaptor of model.network before vLLM's own Qwen2.

The audio half is the same on every rank (0.65 B parameters beside 33 B); tensor parallelism, pipeline
stages, quantisation and LoRA apply to the decoder. Every window of audio is encoded at its own length:
padding windows to a batch changes what comes out. Knows no prompts and no samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from vllm.config import VllmConfig
from vllm.model_executor.models.interfaces import (
    MultiModalEmbeddings,
    SupportsLoRA,
    SupportsMultiModal,
    SupportsPP,
)
from vllm.model_executor.models.module_mapping import MultiModelKeys
from vllm.model_executor.models.utils import (
    AutoWeightsLoader,
    WeightsMapper,
    init_vllm_registered_model,
    maybe_prefix,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.sequence import IntermediateTensors

from model import checkpoint
from model.network import AudioAdaptor, AudioEncoder
from model.vllm_config import network_config
from model.vllm_inputs import MEL, WINDOWS
from model.vllm_processor import PLACEHOLDER, StepAudio2DummyInputs, StepAudio2Info, StepAudio2Processor


@MULTIMODAL_REGISTRY.register_processor(
    StepAudio2Processor, info=StepAudio2Info, dummy_inputs=StepAudio2DummyInputs
)
class StepAudio2ForCausalLM(nn.Module, SupportsMultiModal, SupportsPP, SupportsLoRA):
    """The network as vLLM drives it."""

    packed_modules_mapping = {
        "qkv_proj": ["q_proj", "k_proj", "v_proj"],
        "gate_up_proj": ["gate_proj", "up_proj"],
    }
    hf_to_vllm_mapper = WeightsMapper(
        orig_to_new_prefix={"model.": "language_model.model.", "lm_head.": "language_model.lm_head."}
    )

    language_model: Any
    _mark_tower_model: Any  # SupportsMultiModal's, as the next
    _mark_language_model: Any

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        return PLACEHOLDER

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__()
        model_config = vllm_config.model_config
        folder = Path(model_config.model)
        # vLLM fetches Hugging Face ids itself; quantised weights have other names and shapes.
        plain = vllm_config.quant_config is None and vllm_config.load_config.load_format != "dummy"
        if plain and folder.is_dir():
            checkpoint.check(folder)
        self.config = model_config.hf_config  # vLLM's LoRA asks for it
        config = network_config(self.config)
        with self._mark_tower_model(vllm_config, "audio"):
            self.encoder = AudioEncoder(config.audio)
            self.adapter = AudioAdaptor(config.audio)
        with self._mark_language_model(vllm_config):
            self.language_model = init_vllm_registered_model(
                vllm_config=vllm_config,
                hf_config=self.config.text_config,
                prefix=maybe_prefix(prefix, "language_model"),
                architectures=["Qwen2ForCausalLM"],
            )
        self.make_empty_intermediate_tensors = self.language_model.make_empty_intermediate_tensors

    def embed_multimodal(self, **kwargs: object) -> MultiModalEmbeddings:
        """Each item's log-mel windows to its embeddings [tokens, hidden]; see model.vllm_inputs.FIELDS."""
        mels, windows = kwargs.get(MEL), kwargs.get(WINDOWS)
        if not isinstance(mels, Tensor | list) or not isinstance(windows, Tensor | list):
            return []
        return [self._embed(mel, rows.tolist()) for mel, rows in zip(mels, windows, strict=True)]

    def _embed(self, mel: Tensor, rows: list[list[int]]) -> Tensor:
        weight = self.encoder.conv1.weight
        found = []
        at = 0
        for count, real, first, start, stop in rows:
            window = mel[None, :, at : at + count].to(weight)
            at += count
            if stop > start:
                found.append(self.adapter(self.encoder(window, real=real, first=first))[0, start:stop])
        return torch.cat(found)

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: IntermediateTensors | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: object,
    ) -> Tensor | IntermediateTensors:
        if intermediate_tensors is not None:
            inputs_embeds = None
        return self.language_model.model(
            input_ids, positions, intermediate_tensors, inputs_embeds=inputs_embeds
        )

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        return self.language_model.compute_logits(hidden_states)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        return AutoWeightsLoader(self).load_weights(weights, mapper=self.hf_to_vllm_mapper)

    def get_mm_mapping(self) -> MultiModelKeys:
        """Where LoRA finds the decoder."""
        return MultiModelKeys.from_string_field(
            language_model="language_model", connector="adapter", tower_model="encoder"
        )
