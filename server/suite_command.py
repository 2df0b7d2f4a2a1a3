"""The options of `soundmind eval --suite`, and what they set going. Light until then."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.config import Config, ConfigError
from server.shutdown import Shutdown

if TYPE_CHECKING:
    from server.evaluate import Say
    from server.suites import Examination, Wanted, Way


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "published benchmarks", "docs/benchmarks.md says where they are to be had and how they are asked"
    )
    group.add_argument(
        "--suite", metavar="NAME", help="mmau, mmsu, mmar, big-bench-audio, spoken-mqa or uro-bench"
    )
    group.add_argument("--data", type=Path, metavar="DIR", help="the benchmark's files, as published")
    group.add_argument("--sets", metavar="A,B", help="of its sets, as its table names them (all)")
    group.add_argument("--runs", type=int, metavar="N", help="how often each question is asked (3)")
    group.add_argument(
        "--temperature", type=float, metavar="T", help="of sampling, offline and one-shot (0.7; 0: greedy)"
    )
    group.add_argument(
        "--max-tokens", type=int, metavar="N", help="of thoughts and reply, offline and one-shot (1024)"
    )
    group.add_argument(
        "--one-shot",
        metavar="URL",
        help="ask a server with chat completions, such as http://127.0.0.1:8000/v1 of `vllm serve`",
    )
    group.add_argument(
        "--judge",
        metavar="URL",
        help="a server with chat completions that marks replies where a judge has to",
    )
    group.add_argument("--judge-model", metavar="NAME", help="its model (the only one it has)")
    group.add_argument("--judge-key", metavar="KEY", help="the key that it asks for")


def run(args: argparse.Namespace, config: Config, shutdown: Shutdown, say: Say, whisper: Say) -> int:
    """Ask, have it judged where that is wished, and tell; returns the exit code."""
    from server.suites import Examination

    wanted = _wanted(args, config)
    exam = Examination(wanted, whisper)
    _ask(args, config, shutdown, exam, wanted, whisper)
    if args.judge and not shutdown.signal:
        asyncio.run(_judge(args, shutdown, exam))
    if shutdown.signal:
        return 128 + shutdown.signal
    say(exam.write(shlex.join(["soundmind", *sys.argv[1:]])))
    whisper(f"predictions.jsonl and results.md are in {wanted.out}")
    return 0


def _wanted(args: argparse.Namespace, config: Config) -> Wanted:
    """Raises ConfigError."""
    from server.suites import Wanted

    if args.data is None:
        raise ConfigError("data: expected the folder with the benchmark's files, got nothing")
    way: Way = "one-shot" if args.one_shot else "live" if args.live or args.url else "offline"
    named = ("runs", "count", "temperature", "max_tokens")
    asked: dict[str, Any] = {n: getattr(args, n) for n in named if getattr(args, n) is not None}
    return Wanted(
        args.suite,
        args.data,
        args.out or Path(f"eval-{args.suite}"),
        way,
        args.model or args.one_shot or args.url or config.model,
        sets=tuple(filter(None, (args.sets or "").split(","))),
        effort=args.think,
        encoding=args.encodings,
        **asked,
    )


def _ask(
    args: argparse.Namespace,
    config: Config,
    shutdown: Shutdown,
    exam: Examination,
    wanted: Wanted,
    whisper: Say,
) -> None:
    from server import suites
    from server.chat import Chat
    from server.evaluate import Live, Offline
    from server.serving import serve, stoppable

    key = next(iter(config.keys), None)

    async def visit(url: str) -> None:
        model = config.model if args.url is None or args.model else None
        await exam.sit(suites.live(Live(url, whisper, args.callers, key, model), wanted))

    async def away() -> None:
        with stoppable(shutdown):
            await visit(args.url)

    async def at_once() -> None:
        chat = Chat(args.one_shot, args.model, args.api_key)
        try:
            with stoppable(shutdown):
                await exam.sit(suites.one_shot(chat, args.callers, wanted))
        finally:
            await chat.close()

    if wanted.way == "one-shot":
        asyncio.run(at_once())
    elif args.url is not None:
        asyncio.run(away())
    elif wanted.way == "live":
        asyncio.run(serve(config, whisper, shutdown, visit, stay=False))
    else:
        model = Offline(config.model, whisper, config.windows, wanted.max_tokens)
        asyncio.run(exam.sit(suites.offline(model, wanted)))


async def _judge(args: argparse.Namespace, shutdown: Shutdown, exam: Examination) -> None:
    from server.chat import Chat
    from server.serving import stoppable

    chat = Chat(args.judge, args.judge_model, args.judge_key)
    try:
        with stoppable(shutdown):
            await exam.judge(chat, args.callers)
    finally:
        await chat.close()
