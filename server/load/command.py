"""`soundmind bench load`: its arguments, its progress, and what it writes.

load.json has the settings and every turn, load.md the table, load.svg the picture. Imports what is heavy only
when it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.config import ConfigError
from server.load.schedule import Load, Shares
from server.shutdown import Shutdown

if TYPE_CHECKING:
    from server.load.figures import Step
    from server.load.picture import Chart
    from server.load.questions import Question

HELP = """How many callers a server holds: they play recordings at speaking pace, with pauses, follow-ups,
barge-ins and calls of tools in the shares given, when a seed says, however late the server is. p50, p95 and
p99 of what they wait for, turns lost or answered wrongly, and whose processors' time it took. With --knee it
searches for the most callers whose p95 of the first word stays below so many ms. A FOLDER is one of
`soundmind eval`; without it the packaged recordings are asked, which nano can answer. Without --url a server
is started for it, as a process of its own."""

Say = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All but `--config`, `--api-key` and what follows `--`, which other commands have too."""
    shares, load = Shares(), Load(1, 1)
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="recordings, and a CSV file")
    parser.add_argument("--url", help="a server that runs already, such as ws://127.0.0.1:8000/v1/realtime")
    parser.add_argument("--model", metavar="MODEL", help="without --url: as in `soundmind serve`")
    parser.add_argument(
        "--callers", type=int, default=1, metavar="N", help="at once; with --knee: to begin with (1)"
    )
    parser.add_argument(
        "--knee", type=float, metavar="MS", help="search for the most callers that this bound holds for"
    )
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="that are measured (60)")
    parser.add_argument(
        "--every",
        type=float,
        default=load.every,
        metavar="S",
        help=f"from one turn of a caller to its next, on average ({load.every:g})",
    )
    parser.add_argument(
        "--turns",
        type=float,
        default=load.turns,
        metavar="N",
        help=f"of one call, on average ({load.turns:g})",
    )
    for name, default in vars(shares).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=float,
            default=default,
            metavar="SHARE",
            help=f"share of turns, 0 to 1 ({default:g})",
        )
    parser.add_argument(
        "--transport", choices=("websocket", "webrtc"), default="websocket", help="of the calls (websocket)"
    )
    parser.add_argument("--speech", action="store_true", help="have the replies spoken")
    parser.add_argument(
        "--think", metavar="EFFORT", help="minimal, low, medium, high: how long to think (the server's own)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the schedule (1)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write load.json, load.md and load.svg there")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace, vllm_args: Sequence[str], shutdown: Shutdown, key: str | None) -> int:
    """Raises ConfigError, and what the recordings and the server raise."""
    from server.load.questions import PACKAGED, questions

    if args.callers < 1 or args.seconds <= 0 or args.turns < 1:
        raise ConfigError("expected at least one caller and one turn, and more than 0 seconds")
    asked, tools = questions(args.folder or PACKAGED)
    load = _load(args, asked)
    steps: list[Step] = []
    knee: list[int] = []

    async def visit(url: str) -> None:
        await _visit(url, args, load, asked, tools, key, steps, knee)

    asyncio.run(_against(args, vllm_args, shutdown, visit))
    if steps:
        _report(args, steps, knee[0] if knee else None)
    if shutdown.signal:
        return 128 + shutdown.signal
    return 0 if any(one.status == "right" for step in steps for one in step.said) else 1


def _load(args: argparse.Namespace, asked: Sequence[Question]) -> Load:
    """Raises ConfigError."""
    from server.load.schedule import schedule

    try:
        shares = Shares(**{name: getattr(args, name) for name in vars(Shares())})
        load = Load(args.callers, args.seconds, args.every, args.turns, shares, args.seed)
        schedule(load, [question.sayable for question in asked])
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return load


async def _against(
    args: argparse.Namespace, vllm_args: Sequence[str], shutdown: Shutdown, visit: Any
) -> None:
    from server.load.run import served
    from server.serving import stoppable

    with stoppable(shutdown):
        if args.url:
            await visit(args.url)
            return
        own = [args.model] if args.model else []
        own += [] if args.speech else ["--voice", "none"]
        own += ["--config", str(args.config)] if args.config else []
        async with served([*own, *(["--", *vllm_args] if vllm_args else [])], _whisper) as url:
            await visit(url)


async def _visit(
    url: str,
    args: argparse.Namespace,
    load: Load,
    asked: Sequence[Question],
    tools: Sequence[dict[str, Any]],
    key: str | None,
    steps: list[Step],
    knee: list[int],
) -> None:
    from server.load.caller import Manner
    from server.load.run import Target, search, step

    target = Target(url, key, args.transport)
    manner = Manner(args.speech, tools, effort=args.think)
    if args.knee is None:
        steps.append(await step(target, asked, manner, load, _whisper))
    else:
        knee.append(await search(target, asked, manner, load, args.knee, _whisper, steps.append))


def _report(args: argparse.Namespace, steps: Sequence[Step], knee: int | None) -> None:
    from server.load import figures, picture

    table = figures.table(steps)
    told = [table]
    if knee is not None:
        told.append(f"Up to {knee} callers, p95 of the first word is below {args.knee:g} ms.\n")
    if why := figures.reasons(steps):
        told.append(f"Lost: {why}.\n")
    if slow := [step for step in steps if step.tardy > figures.TARDY]:
        worst = max(step.tardy for step in slow)
        told.append(
            f"Up to {worst:.0%} of the generator's own packets were late, from {slow[0].callers} callers on: "
            "it had too little of the processors, and its figures are no longer the server's.\n"
        )
    raw = {
        "command": shlex.join(["soundmind", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": os.getloadavg(),
        "bound_ms": args.knee,
        "knee": knee,
        "steps": [asdict(step) for step in steps],
    }
    print(json.dumps(raw) if args.json else "\n".join(told), flush=True)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "load.json").write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
        (args.out / "load.md").write_text(f"`{raw['command']}`\n\n" + "\n".join(told))
        (args.out / "load.svg").write_text(picture.svg(charts(steps, args.knee)))
        _whisper(f"load.json, load.md and load.svg are in {args.out}")


def charts(steps: Sequence[Step], bound: float | None) -> list[Chart]:
    """Waiting and processors' time by callers; of one step alone, what share of turns has waited how long."""
    from server.load.figures import MEASURES
    from server.load.picture import Chart

    if len(steps) == 1:
        (step,) = steps
        lines = {}
        for name in ("first_thought", "first_word", "first_audio"):
            values = sorted(v for v in step.values(name) if v != float("inf"))
            every = len(step.values(name))
            if values:
                lines[MEASURES[name]] = [(v, 100 * (n + 1) / every) for n, v in enumerate(values)]
        title = f"{step.callers} callers: % of turns whose sign has come"
        return [Chart(title, "ms after the end of the turn", lines)]
    steps = sorted(steps, key=lambda step: step.callers)
    waits = {
        f"{MEASURES[name]}, {label}": [(step.callers, step.percentile(name, share) or 0.0) for step in steps]
        for name in ("first_thought", "first_word", "first_audio")
        for label, share in (("p50", 0.5), ("p95", 0.95))
        if any(step.values(name) for step in steps)
    }
    cores = {
        name: [(step.callers, used) for step in steps if (used := getattr(step.cores, name)) is not None]
        for name in ("server", "engine", "voice", "generator")
    }
    return [
        Chart("Waiting, ms", "callers", waits, bound),
        Chart("Processors busy", "callers", {name: line for name, line in cores.items() if line}),
    ]


def _whisper(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
