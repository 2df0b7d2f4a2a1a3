"""vLLM's AsyncLLM behind our own small interface; the only importer of vllm here.

`listen` is the resumable request that a listener lives on, `generate` an ordinary one, for speakers,
`ending` one of a single token, for what it says of the end of a turn. All abort their request when their
consumer goes away. Knows no turns, no audio and no conversation.
vLLM's facts and traps that this rests on: streaming input needs DELTA outputs, `max_tokens` of at
least 1 (the token is discarded), and stop token ids, never stop strings. `logprob_token_ids` gives the
log-probabilities of just the tokens asked for, whatever was sampled.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import os
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass
from functools import _lru_cache_wrapper
from pathlib import Path
from typing import Any, Protocol

import psutil
import torch

from model import checkpoint
from model.config import StepAudio2Config
from model.errors import UserError
from model.prompt import Prompt
from streaming import processes
from streaming.context import Context
from streaming.errors import EngineUnavailable, Forgotten, Refused
from streaming.figures import Figures
from streaming.parking import Cache
from streaming.places import ADAPTER, RANK, Places
from streaming.pulse import Pulse
from streaming.quiet import hold_back

BLOCK = 32  # tokens a KV block: small, since only whole blocks are found in the prefix cache
HANG_SECONDS = 60.0  # that it may owe an answer and take no step
TOKENIZERS = "vllm.multimodal", "vllm.renderers", "vllm.tokenizers"  # have caches by tokenizer
ENVIRONMENT = {  # of the engine's processes, where the user's own does not say otherwise
    "TRANSFORMERS_VERBOSITY": "error",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn",
}


class EngineStartError(UserError, RuntimeError):
    """The engine did not come up; one line that says why."""


@dataclass(frozen=True)
class Sampling:
    """`sure`: tell how sure the model was."""

    max_tokens: int
    temperature: float = 0.0
    sure: bool = False


@dataclass(frozen=True)
class Delta:
    """A piece of one request's output. `prompt_tokens` and `cached_tokens` are the engine's own counts.

    `sure`: the least probability of its tokens, where that was asked for.
    """

    text: str
    tokens: int
    prompt_tokens: int
    cached_tokens: int
    finish: str | None = None  # "stop" or "length" on the last one
    sure: float = 1.0


@dataclass(frozen=True)
class Likelihood:
    """Of a token in its place: its probability, and its rank, 1 for the likeliest."""

    probability: float
    rank: int


class Engine(Protocol):
    """What the live conversation needs of an engine."""

    prompt: Prompt
    n_mels: int
    max_tokens: int  # of context and output together, one request
    block: int  # tokens a KV block
    temperature: float  # that the checkpoint's authors recommend

    async def ready(self) -> None:
        """Returns once requests are taken, maybe by another engine than before, which has read nothing.

        Raises EngineUnavailable where none will be any more.
        """
        ...

    def listen(self, appends: AsyncGenerator[Context, None]) -> AsyncGenerator[float | None, None]:
        """One resumable request. Yields once an append, when its tokens are in the KV cache: what `ending`
        says there. Parks between appends and keeps its blocks; ends and frees them when `appends` ends or
        the consumer goes away. Raises EngineUnavailable."""
        ...

    async def ending(self, context: Context) -> float | None:
        """Behind the newest audio of an open turn: how likely the turn is over, against more audio to come,
        0 to 1; None where the engine does not tell. Raises EngineUnavailable, Forgotten and Refused."""
        ...

    async def likelihoods(self, context: Context, behind: Sequence[int]) -> list[Likelihood]:
        """Of each of these tokens behind a context and those before it, in one pass; nothing where the engine
        does not tell. Raises EngineUnavailable, Forgotten and Refused."""
        ...

    def generate(self, context: Context, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """One ordinary request. Raises EngineUnavailable; Forgotten when audio came without the data that it
        needs; Refused."""
        ...


class VllmEngine:
    """Stock vLLM in a process of its own."""

    def __init__(
        self,
        llm: Any,
        figures: Figures,
        config: StepAudio2Config,
        prompt: Prompt,
        folder: Path,
        processes: Sequence[psutil.Process] = (),
        hang: float = HANG_SECONDS,
    ) -> None:
        """`processes`: that it has started, and that end with it. `hang`: seconds."""
        self._llm = llm
        self.figures = figures
        self.name = folder.name
        self.prompt = prompt
        self.temperature = _temperature(folder)
        self.n_mels = config.audio.n_mels
        self.max_tokens = int(llm.model_config.max_model_len)
        self.block = int(llm.vllm_config.cache_config.block_size)
        self.ranks = int(llm.vllm_config.parallel_config.data_parallel_size)
        self.kv_tokens = int(llm.vllm_config.cache_config.num_gpu_blocks) * self.block
        self._places = Places(self.kv_tokens, self.max_tokens, self.ranks)
        self._dead = False
        self._limits: set[asyncio.Timeout] = set()  # of what is awaited
        self._processes = processes
        self._pulses = [Pulse(hang) for _ in range(self.ranks)]
        self.adapters: Mapping[str, Any] = {}  # vLLM's requests for them, by name

    @classmethod
    async def start(
        cls,
        folder: Path,
        vllm_args: Sequence[str] = (),
        adapters: Mapping[str, Path] | None = None,
        hang: float = HANG_SECONDS,
    ) -> VllmEngine:
        """Bring the engine up on a checkpoint, in 20 to 35 s. `vllm_args` go to vLLM's own parser.

        `adapters`: LoRA adapters for its decoder, by the names that conversations ask for them with.
        `hang`: seconds after which it counts as dead, if it owes somebody an answer and takes no step.

        Raises CheckpointError for what is no complete checkpoint, before anything is started, and
        EngineStartError when vLLM refuses.
        """
        config = checkpoint.check(folder)
        torch.set_num_threads(1)  # this process runs but small kernels; two threads on busy cores cost 30 x
        arguments, named = list(vllm_args), adapters or {}
        if named:
            # One slot stays empty, the last: on the CPU vLLM looks for "none" at -1 (lora/ops/torch_ops): a
            # request without an adapter would get another's as soon as both are in one batch.
            arguments = ["--enable-lora", "--max-loras", str(len(named) + 1), *arguments]
        engine = await asyncio.to_thread(_create, folder, config, arguments, hang)
        engine.adapters = _lora(named)
        return engine

    async def close(self) -> None:
        """End the engine's processes, also of one that has died: those that outlived it are killed.

        Requests under way end with EngineUnavailable: vLLM tells them only where its own output task is the
        first to see the death, which the shutdown cancels.
        """
        hangs, self._dead = self._hangs(), True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())
        await asyncio.sleep(0)  # they are interrupted while there still is something to abort them
        if hangs:  # vLLM would wait for it to end by itself, and everybody here with vLLM
            await asyncio.to_thread(processes.end, self._processes, 0.0)
        llm, self._llm = self._llm, None
        sockets = llm.engine_core.resources.ctx
        llm.shutdown()  # not in a thread: its own output task must not run on meanwhile
        llm.shutdown = lambda: None  # its __del__ calls it again, maybe when the interpreter is going down
        await asyncio.to_thread(processes.end, self._processes)
        sockets.destroy(linger=0)  # vLLM has closed all of them, and leaves their context to the collector
        _forget_tokenizers()

    @property
    def alive(self) -> bool:
        return self._llm is not None and not self._dead and not self._llm.errored and not self._hangs()

    def _hangs(self) -> bool:
        """It runs, and answers nobody. It shows to those who ask often: each of them looks."""
        now = time.monotonic()
        told = zip(self._pulses, self.figures.ranks, strict=True)
        return any([pulse.hung(rank.told, now) for pulse, rank in told])  # a list: every rank is looked at

    async def ready(self) -> None:
        if not self.alive:
            raise EngineUnavailable("the engine is not running")

    def running(self) -> int:
        """Requests that the engine has not finished, parked listeners included."""
        return int(self._llm.output_processor.get_num_unfinished_requests())

    async def idle(self) -> bool:
        """True when the engine core itself holds no KV block for a request. Empties the prefix cache."""
        return bool(await self._llm.reset_prefix_cache())

    def kv_usage(self) -> float:
        """Share of the KV cache in use, 0 to 1, as of the engine's last step."""
        return self.figures.kv_usage

    def caches(self) -> tuple[Cache, ...]:
        """Of each rank, as of its last step."""
        return tuple(rank.cache(self.kv_tokens) for rank in self.figures.ranks)

    @contextmanager
    def admit(self) -> Iterator[None]:
        """A place for one conversation, for as long as the block lasts.

        Raises SessionFull or EngineUnavailable.
        """
        if not self.alive:
            raise EngineUnavailable("the engine is not running")
        with self._places.one():
            yield

    async def listen(self, appends: AsyncGenerator[Context, None]) -> AsyncGenerator[float | None, None]:
        from vllm.engine.protocol import StreamingInput

        params = self._one_token()

        async def inputs() -> AsyncGenerator[StreamingInput, None]:
            async with aclosing(appends):
                async for context in appends:
                    yield StreamingInput(self._input(context), params)

        async with aclosing(self._request(inputs(), params)) as outputs:
            async for output in outputs:
                yield self._ending(output)

    async def ending(self, context: Context) -> float | None:
        async with aclosing(self._request(self._input(context), self._one_token())) as outputs:
            async for output in outputs:
                if output.outputs[0].finish_reason == "error":
                    raise Forgotten("the engine no longer holds the audio of this conversation")
                return self._ending(output)
        return None

    async def likelihoods(self, context: Context, behind: Sequence[int]) -> list[Likelihood]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            max_tokens=1,
            temperature=0.0,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            prompt_logprobs=0,
            skip_reading_prefix_cache=False,  # or the audio that only the cache holds would be missing
        )
        whole = self._input(context + Context.of(behind))
        async with aclosing(self._request(whole, params)) as outputs:
            async for output in outputs:
                if output.outputs[0].finish_reason == "error":
                    raise Forgotten("the engine no longer holds the audio of this conversation")
                if (output.num_cached_tokens or 0) >= len(context):  # what was found there was not computed
                    return []
                told = output.prompt_logprobs[len(context) :]
                scored = [at[token] for at, token in zip(told, behind, strict=True)]
                return [Likelihood(math.exp(one.logprob), one.rank) for one in scored]
        return []

    def _one_token(self) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            max_tokens=1,
            temperature=0.0,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            logprob_token_ids=[self.prompt.audio_end, self.prompt.audio_patch],
        )

    def _ending(self, output: Any) -> float | None:
        told = output.outputs[0].logprobs
        if not told:
            return None
        end, more = (told[-1][i].logprob for i in (self.prompt.audio_end, self.prompt.audio_patch))
        return math.exp(end - max(end, more)) / (1.0 + math.exp(-abs(end - more)))

    async def generate(self, context: Context, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            stop_token_ids=[self.prompt.eot],
            output_kind=RequestOutputKind.DELTA,
            logprobs=0 if sampling.sure else None,  # of the sampled token alone
        )
        async with aclosing(self._request(self._input(context), params)) as outputs:
            async for output in outputs:
                part = output.outputs[0]
                if part.finish_reason == "error":  # audio without data that neither cache holds any more
                    raise Forgotten("the engine no longer holds the audio of this conversation")
                cached = output.num_cached_tokens or 0
                sure = _least(part.logprobs, part.token_ids)
                yield Delta(part.text, len(part.token_ids), len(context), cached, part.finish_reason, sure)

    async def _request(self, prompt: Any, params: Any) -> AsyncGenerator[Any, None]:
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError

        if not self.alive:
            raise EngineUnavailable("the engine is not running")
        name, rank = uuid.uuid4().hex, RANK.get()
        listens = isinstance(prompt, AsyncGenerator)  # mostly for somebody to speak, and that may be hours
        pulse = None if listens or (rank is None and self.ranks > 1) else self._pulses[rank or 0]
        try:
            lora = self.adapters.get(ADAPTER.get() or "")
            generated = self._llm.generate(prompt, params, name, lora_request=lora, data_parallel_rank=rank)
            async with aclosing(generated) as outputs:
                while (output := await self._while_it_lives(outputs, pulse)) is not None:
                    yield output
        except EngineDeadError as error:
            self._dead = True
            raise EngineUnavailable("the engine has died") from error
        except VLLMClientError as error:
            raise Refused(str(error)) from error

    async def _while_it_lives(self, outputs: AsyncGenerator[Any, None], pulse: Pulse | None) -> Any | None:
        """The next one; None at the end. Raises EngineUnavailable when the engine is closed meanwhile."""
        limit = asyncio.timeout(None)
        try:
            with nullcontext() if pulse is None else pulse.owing():
                async with limit:
                    self._limits.add(limit)
                    return await anext(outputs, None)
        except TimeoutError as error:
            if limit.expired():
                raise EngineUnavailable("the engine has died") from error
            raise
        finally:
            self._limits.discard(limit)

    def _input(self, context: Context) -> Any:
        from model.vllm_inputs import AudioItem, audio_prompt

        items = [AudioItem(a.key, a.offset, a.tokens, *(a.data or (None, None))) for a in context.audio]
        return audio_prompt(list(context.ids), items)


def _create(folder: Path, config: StepAudio2Config, vllm_args: list[str], hang: float) -> VllmEngine:
    """Blocks for as long as the engine takes to start. Raises EngineStartError."""
    before = set(processes.running())
    quiet = ENVIRONMENT["VLLM_LOGGING_LEVEL"]
    verbose = os.environ.get("VLLM_LOGGING_LEVEL", quiet) != quiet
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with hold_back(passing=verbose) as held:
        from vllm.v1.engine.async_llm import AsyncLLM

        from model.vllm_plugin import register

        try:
            register()  # before the tokenizer, which looks at config.json
            prompt = _prompt(folder)
            arguments = _arguments(folder, vllm_args)
            figures = Figures(arguments.data_parallel_size)
            llm = AsyncLLM.from_engine_args(arguments, stat_loggers=[figures.of])
        except Exception as error:
            processes.end(processes.others(before))
            raise EngineStartError(held.root_cause() or _one_line(error)) from error
    for handler in logging.getLogger("vllm").handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream.closed:
            handler.stream = sys.stderr  # what it was when vLLM was imported, above
    engine = VllmEngine(llm, figures, config, prompt, folder, processes.others(before), hang)
    del llm  # vLLM's first import keeps this frame for good, and with it would keep a dead engine's caches
    return engine


def _forget_tokenizers() -> None:
    """Those that vLLM made for an engine, and keeps in its caches of functions of them."""
    modules = [module for name, module in sys.modules.items() if name.startswith(TOKENIZERS)]
    for function in [value for module in modules for value in vars(module).values()]:
        if isinstance(function, _lru_cache_wrapper):
            function.cache_clear()


def _lora(adapters: Mapping[str, Path]) -> Mapping[str, Any]:
    from vllm.lora.request import LoRARequest

    return {
        name: LoRARequest(name, at, str(folder))
        for at, (name, folder) in enumerate(adapters.items(), start=1)
    }


def _least(told: Any, token_ids: Sequence[int]) -> float:
    """The least probability of these tokens; 1 where none was told."""
    if not told:
        return 1.0
    return min(math.exp(at[token].logprob) for at, token in zip(told, token_ids, strict=True))


def _arguments(folder: Path, vllm_args: list[str]) -> Any:
    """vLLM's own arguments: our defaults, then the user's. Raises ValueError for what it does not know."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser(prog="vllm", add_help=False))
    ours = ["--model", str(folder), "--block-size", str(BLOCK), "--skip-mm-profiling"]
    # The engine keeps what it was sent, by key, up to this size: only so may a context leave data out safely.
    ours += ["--mm-processor-cache-gb", "0.05", "--no-use-tqdm-on-load"]
    if current_platform.is_cpu():  # fp32 is faster than bf16 there, and compiling takes minutes
        ours += ["--dtype", "float32", "--enforce-eager"]
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            parsed = parser.parse_args([*ours, *vllm_args])
    except SystemExit:
        raise ValueError(said.getvalue().strip().splitlines()[-1]) from None
    return AsyncEngineArgs.from_cli_args(parsed)


def _prompt(folder: Path) -> Prompt:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))

    def encode(text: str) -> list[int]:
        # What a client or a tool says must not become the template's own tokens.
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids

    return Prompt.of(encode, tokenizer.get_vocab())


def _temperature(folder: Path) -> float:
    """The authors' own sampling temperature, from generation_config.json; 0.7 where none is named."""
    path = folder / "generation_config.json"
    return float(json.loads(path.read_text()).get("temperature", 0.7)) if path.exists() else 0.7


def _one_line(error: BaseException) -> str:
    """The root of a chain of start-up errors, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:400]
