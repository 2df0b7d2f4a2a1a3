"""Step-Audio 2 for stock vLLM: what the `vllm.general_plugins` entry point runs.

vLLM calls `register` in every one of its processes before it looks at a checkpoint, so this module
imports nothing heavy and only says where things are. Knows nothing of how the network computes.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

from model.config import ARCHITECTURE

WATCH = "parent watch"
CHAT_TEMPLATE = Path(__file__).parent / "chat_template.jinja"  # for checkpoints whose tokenizer has none


def register() -> None:
    """Make `vllm serve PATH` take Step-Audio 2 checkpoints. May be called any number of times.

    The checkpoint's own remote code, where its config.json names any, is not needed and not run.
    """
    from transformers import AutoConfig
    from vllm import ModelRegistry
    from vllm.transformers_utils.chat_templates.registry import (
        get_chat_template_fallback_path,
        register_chat_template_fallback_path,
    )

    from model import vllm_config

    _end_with_parent()
    for kind in vllm_config.CONFIGS:
        AutoConfig.register(kind.model_type, kind, exist_ok=True)
    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, f"model.vllm_model:{ARCHITECTURE}")
    for name in vllm_config.MODEL_TYPES:
        if get_chat_template_fallback_path(name, "") is None:
            register_chat_template_fallback_path(name, CHAT_TEMPLATE)


def _end_with_parent() -> None:
    """Do not outlive a killed parent: vLLM's own processes only follow one that ends in good order."""
    parent = multiprocessing.parent_process()
    if parent is None or any(thread.name == WATCH for thread in threading.enumerate()):
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name=WATCH, daemon=True).start()
