"""A process of its own: an AsyncLLM with a parked listener and forks of it, as the live engine has them.

`python -m tests.model.live FOLDER OUT` writes what happened as JSON; see `Seen`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

from model.checkpoint import read_config
from model.prompt import Prompt
from tests.model.listening import voice, windows_of

BLOCK = 32
SECONDS = 14.0


class Fork(TypedDict):
    """A request that repeats the listener's context: how much of it was cached, and what it said."""

    prompt: int
    cached: int
    tokens: list[int]
    finished: str


class Seen(TypedDict):
    """`end_of_turn`: of each append the log-probabilities of <audio_patch> and <audio_end>."""

    appended: int
    end_of_turn: list[tuple[float, float]]
    forks: dict[str, Fork]


async def run(folder: Path) -> Seen:
    from tokenizers import Tokenizer
    from vllm import AsyncEngineArgs, SamplingParams
    from vllm.engine.protocol import StreamingInput
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM

    from model.vllm_inputs import AudioItem, audio_prompt

    engine = AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=str(folder),
            enforce_eager=True,
            block_size=BLOCK,
            dtype="float32",
            max_model_len=1024,
            max_num_seqs=4,
            mm_processor_cache_gb=0.25,
            skip_mm_profiling=True,
        )
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    prompt = Prompt.of(
        lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids), tokenizer.get_vocab()
    )
    append = SamplingParams(
        max_tokens=1,
        temperature=0.0,
        logprob_token_ids=[prompt.audio_patch, prompt.audio_end],
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )
    ask = SamplingParams(max_tokens=12, temperature=0.0, output_kind=RequestOutputKind.FINAL_ONLY)
    inputs: asyncio.Queue[Any] = asyncio.Queue()

    async def appends() -> AsyncIterator[Any]:
        while (new := await inputs.get()) is not None:
            yield StreamingInput(new, append)

    ids: list[int] = []
    items: list[AudioItem] = []
    seen = Seen(appended=0, end_of_turn=[], forks={})

    async def fork(name: str, items: Sequence[AudioItem], salt: str | None = None) -> None:
        whole = [*ids, prompt.audio_end, *prompt.human_close(), *prompt.assistant_open(True)]
        async for output in engine.generate(audio_prompt(whole, items, salt), ask, name):
            last = output.outputs[0]
            seen["forks"][name] = Fork(
                prompt=len(whole),
                cached=output.num_cached_tokens or 0,
                tokens=list(last.token_ids),
                finished=last.finish_reason or "",
            )

    async with contextlib.aclosing(engine.generate(appends(), append, "listener")) as listener:
        (piece,) = windows_of(voice(SECONDS), read_config(folder).audio.n_mels)
        new, fresh = [*prompt.human_open(), prompt.audio_start], list[AudioItem]()
        for mel, window in [(None, None), *piece]:
            if window is not None:
                tokens = window.stop - window.start
                new, fresh = prompt.patches(tokens), [AudioItem(f"a-{window.start}", 0, tokens, mel, window)]
            inputs.put_nowait(audio_prompt(new, fresh))
            output = await anext(listener)
            found = output.outputs[0].logprobs[0]
            seen["end_of_turn"].append((found[prompt.audio_patch].logprob, found[prompt.audio_end].logprob))
            items += [dataclasses.replace(item, offset=item.offset + len(ids)) for item in fresh]
            ids += new
        seen["appended"] = len(ids)
        empty = [dataclasses.replace(item, mel=None, window=None) for item in items]
        await fork("with data", items)
        await fork("without data", empty)
        await fork("nothing cached, with data", items, salt="other")
        await fork("nothing cached, without data", empty, salt="another")
        await fork("never heard of", [dataclasses.replace(item, key="no " + item.key) for item in empty])
        await fork("afterwards", items)
    engine.shutdown()
    return seen


def main(folder: str, out: str) -> None:
    Path(out).write_text(json.dumps(asyncio.run(run(Path(folder)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
