"""`soundmind`: the command line. Parses, calls, and turns every expected error into one line.

Exit codes: 0 done, 1 it could not be done, 2 the command line makes no sense, 128 + n ended by signal n.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, get_args

from model.errors import UserError
from server import plan_command, suite_command
from server.config import KNOWN, Config, ConfigError, Speech, load
from server.load import command as load_command
from server.logs import Format, Level
from server.modes import MODES
from server.shutdown import Shutdown, exit_now
from streaming.events import Encoding

DEMO = Path(__file__).parent / "demo.wav"

DESCRIPTION = (
    "Soundmind: talk to an audio-reasoning model. It reads along while you speak, and thinks out loud."
)
EPILOG = """\
start here:
  soundmind serve --demo          start the small embedded model, and play it a recording
  soundmind ask FILE.wav          what does the model say to this recording?
  soundmind talk                  talk to it, or type (--text), in this terminal
  soundmind eval FOLDER           how often is it right about your own recordings?
  soundmind plan MODEL --gpu H100 what does a machine hold?
  soundmind bench load --knee 2000   how many callers does this machine hold?

Settings of `serve` also come from the environment (SOUNDMIND_PORT=9000) and from a TOML file (--config),
in this order: flags, environment, file.
"""
VLLM = "Everything after -- goes to vLLM's own engine parser, such as -- --max-model-len 4096."


def main() -> NoReturn:
    """The console script. Leaves no process of the engine's behind, and does not wait for torch to unload."""
    exit_now(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Do what the command line says; returns the exit code."""
    own, vllm_args = _split(list(argv))
    parser = _parser()
    args = parser.parse_args(own)
    shutdown = Shutdown()
    shutdown.install()
    try:
        command: Callable[[argparse.Namespace, tuple[str, ...], Shutdown], int] = args.command
        return command(args, vllm_args, shutdown)
    except ConfigError as error:
        return _fail(error, 2)
    except UserError as error:
        return _fail(error, 1)
    except BrokenPipeError:  # whoever read our output has had enough
        return 1


def _split(argv: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Ours, and what follows the first `--`."""
    if "--" not in argv:
        return argv, ()
    at = argv.index("--")
    return argv[:at], tuple(argv[at + 1 :])


def _fail(error: Exception, code: int) -> int:
    print(f"soundmind: {error}", file=sys.stderr)
    return code


# --- serve ---


def _serve(args: argparse.Namespace, vllm_args: tuple[str, ...], shutdown: Shutdown) -> int:
    from server.serving import serve

    config = _config(args, vllm_args)

    async def visit(url: str) -> None:
        if args.demo:
            await _demo(url, config)
        _say(f"listening on {url}")
        _say(f"Realtime API at {url.replace('http', 'ws', 1)}/v1/realtime   (Ctrl-C ends it)")

    asyncio.run(serve(config, _say, shutdown, visit, stay=True))
    _say("stopped")
    return 0


async def _demo(url: str, config: Config) -> None:
    from server.ask import AskError, Wishes, ask
    from server.audio_file import read_pcm
    from server.report import TextReport, failure

    _say(f"playing {DEMO.name} to it, at speaking pace:")
    try:
        turns = await ask(
            url, read_pcm(DEMO), TextReport(sys.stdout), Wishes(), next(iter(config.keys), None)
        )
        if why := failure(turns.turns):
            _say(f"demo: {why}")
    except AskError as error:
        _say(f"demo: {error}")


# --- ask ---


def _ask(args: argparse.Namespace, vllm_args: tuple[str, ...], shutdown: Shutdown) -> int:
    from server.ask import Wishes, ask
    from server.audio_file import read_pcm
    from server.report import JsonReport, Report, TextReport, failure
    from server.turns import Turns

    pcm = read_pcm(args.file)
    report: Report = JsonReport(sys.stdout) if args.json else TextReport(sys.stdout)
    wishes = Wishes(args.think, not args.no_transcript, args.while_listening)
    config = _config(args, vllm_args)
    heard: list[Turns] = []

    async def visit(url: str) -> None:
        heard.append(await ask(url, pcm, report, wishes, next(iter(config.keys), None)))

    if args.url:
        asyncio.run(visit(args.url))
    else:
        from server.serving import serve

        asyncio.run(serve(config, _whisper, shutdown, visit, stay=False))
    if shutdown.signal:
        return 128 + shutdown.signal
    why = failure(heard[0].turns)
    if why:
        print(f"soundmind: {args.file}: {why}", file=sys.stderr)
    return 1 if why else 0


# --- talk ---


def _talk(args: argparse.Namespace, vllm_args: tuple[str, ...], shutdown: Shutdown) -> int:
    from contextlib import nullcontext

    from server.portaudio import check, portaudio
    from server.report import Lines as Shown
    from server.serving import serve, stoppable
    from server.talk import Lines, Manner, talk
    from server.talk_view import HINT, View

    spoken = args.speak or not args.text
    echo = args.text and not sys.stdin.isatty()
    manner = Manner(args.text, spoken, args.half_duplex, echo, args.think, args.while_listening)
    args.voice = None if spoken else "none"
    config = _config(args, vllm_args)
    view = View(Shown(sys.stdout))
    well: list[bool] = []

    async def visit(url: str) -> None:
        with portaudio(not args.text) if spoken else nullcontext() as device:
            if not args.text:
                view.note("speak; Ctrl-C ends it. " + HINT)
            elif not manner.echo:
                view.note("type, and press Enter; Ctrl-D ends it")
            lines = Lines(sys.stdin) if args.text else None
            well.append(await talk(url, next(iter(config.keys), None), view, manner, device, lines))

    async def away() -> None:
        with stoppable(shutdown):
            await visit(args.url)

    if spoken:
        check()
    if args.url:
        asyncio.run(away())
    else:
        asyncio.run(serve(config, _whisper, shutdown, visit, stay=False))
    if shutdown.signal:
        return 128 + shutdown.signal
    return 0 if all(well) else 1


# --- eval ---


def _eval(args: argparse.Namespace, vllm_args: tuple[str, ...], shutdown: Shutdown) -> int:
    config = _config(args, vllm_args)
    if args.suite:
        return suite_command.run(args, config, shutdown, _say, _whisper)
    from model.evaluation import report
    from server.evaluate import Live, Offline, Wanted, cases, evaluate, write

    named = ("suites", "families", "conditions", "encodings")
    asked_for: dict[str, Any] = {n: tuple(getattr(args, n).split(",")) for n in named if getattr(args, n)}
    asked_for |= {n: getattr(args, n) for n in ("instructions", "count") if getattr(args, n) is not None}
    if args.folder and not args.conditions:
        asked_for["conditions"] = ("clean",)
    live = args.live or args.url is not None
    wanted = Wanted(folder=args.folder, effort=args.think, live=live, **asked_for)
    asked = cases(wanted)
    answered, tables = [], []

    async def visit(url: str) -> None:
        model = config.model if args.url is None or args.model else None
        caller = Live(url, _whisper, args.callers, next(iter(config.keys), None), model)
        answered.extend(await evaluate(wanted, asked, caller))

    if args.url is not None:
        asyncio.run(visit(args.url))
    elif live:
        from server.serving import serve

        asyncio.run(serve(config, _whisper, shutdown, visit, stay=False))
    else:
        offline = Offline(config.model, _whisper, config.windows)
        answered += asyncio.run(evaluate(wanted, asked, offline))
        tables = offline.ends(wanted)
    if shutdown.signal:
        return 128 + shutdown.signal
    tables = [*report.tables(answered), *tables]
    _say(report.plain(tables))
    if args.out:
        write(args.out, answered, tables, shlex.join(["soundmind", *sys.argv[1:]]))
        _whisper(f"answers.json, eval.md and eval.svg are in {args.out}")
    return 0


# --- bench ---


def _bench(args: argparse.Namespace, vllm_args: tuple[str, ...], shutdown: Shutdown) -> int:
    from server.load.command import run as load

    return load(args, vllm_args, shutdown, next(iter(_config(args, vllm_args).keys), None))


# --- all ---


def _say(text: str) -> None:
    print(text, flush=True)


def _whisper(text: str) -> None:
    """Beside the output proper."""
    print(text, file=sys.stderr, flush=True)


def _config(args: argparse.Namespace, vllm_args: tuple[str, ...]) -> Config:
    flags: dict[str, Any] = {name: getattr(args, name, None) for name in KNOWN if name != "vllm_args"}
    return load(flags | {"vllm_args": vllm_args or None}, os.environ, args.config)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("soundmind", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"soundmind {version('soundmind')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="start a server", description=SERVE, epilog=VLLM))
    _add_ask(commands.add_parser("ask", help="speak a recording to a server", description=ASK, epilog=VLLM))
    _add_talk(commands.add_parser("talk", help="talk in this terminal", description=TALK, epilog=VLLM))
    _add_eval(
        commands.add_parser("eval", help="how often is the model right?", description=EVAL, epilog=VLLM)
    )
    plan_command.add(commands)
    benches = commands.add_parser("bench", help="measure a server").add_subparsers(
        required=True, metavar="BENCH"
    )
    _add_load(
        benches.add_parser(
            "load", help="how many callers does it hold?", description=load_command.HELP, epilog=VLLM
        )
    )
    return parser


SERVE = "Load a model and serve the Realtime API, /v1/models, /healthz and /metrics on one port."
ASK = """Speak a recording to a server, in real time, and print what comes back as it comes: speech found,
what was heard, thinking, reply, and the latency of each stage. Any audio file will do. Without --url a server
of its own is started for it, and ended afterwards."""
TALK = """Talk in this terminal, with microphone and loudspeaker (PortAudio) or by typing (--text): your words
as they were understood, thinking, the reply in step with its sound, and the latency of each stage. Speak
while it speaks, and it falls silent. Without --url a server of its own is started, and ended afterwards."""
EVAL = """How often a checkpoint is right, with 95 % intervals: about your own recordings (a FOLDER with a CSV
file of file,text,answer), or without a FOLDER by the built-in tests of nano's world, in voices and texts that
it was never trained on. Offline and greedy, or (--live) through a live session at speaking pace. With
--suite, a benchmark that others have published, its files in --data: sampled, several runs, its own rule."""


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_serve)
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="nano (the default), a folder, or a Hugging Face id"
    )
    parser.add_argument("--host", help="address to listen on (127.0.0.1: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (8000; 0: any free one)")
    parser.add_argument("--alias", metavar="NAME", help="tell clients this name of the model")
    parser.add_argument(
        "--api-key", metavar="KEY", help="ask clients for this key (Authorization: Bearer KEY)"
    )
    parser.add_argument(
        "--api-keys-file", metavar="FILE", help="ask clients for one of these keys, one a line"
    )
    parser.add_argument(
        "--encoding",
        choices=get_args(Encoding),
        help="what a reply sees of the spoken turn, where a session does not say: the chunks encoded while "
        "it was spoken (the default), or the whole turn encoded anew",
    )
    parser.add_argument(
        "--store", metavar="URL", help="keep conversations there, for other servers: redis://…"
    )
    parser.add_argument(
        "--lora", action="append", metavar="NAME=FOLDER", help="an adapter, a model of that name"
    )
    parser.add_argument("--name", metavar="NAME", help="of this server among others, for their proxy")
    _add_windows(parser)
    parser.add_argument(
        "--voice",
        choices=get_args(Speech),
        help="what speaks the replies (piper; none: they are text)",
    )
    parser.add_argument("--demo", action="store_true", help="play a bundled recording to it once it is ready")
    _add_observability(parser)
    _add_config(parser)


def _add_ask(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_ask, host="127.0.0.1", port=0, voice="none")
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="WAV, FLAC, OGG, MP3 …; any rate, mono or not"
    )
    parser.add_argument("--url", help="a server that runs already, such as ws://127.0.0.1:8000/v1/realtime")
    parser.add_argument(
        "--json", action="store_true", help="print JSON lines: the server's events, then a summary"
    )
    _add_think(parser)
    parser.add_argument("--no-transcript", action="store_true", help="do not ask what was heard")
    parser.add_argument("--model", metavar="MODEL", help="without --url: as in `soundmind serve`")
    parser.add_argument("--api-key", metavar="KEY", help="the key that the server asks for")
    _add_config(parser)


def _add_talk(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_talk, host="127.0.0.1", port=0)
    parser.add_argument("--url", help="a server that runs already, such as ws://127.0.0.1:8000/v1/realtime")
    parser.add_argument("--api-key", metavar="KEY", help="the key that the server asks for")
    _add_think(parser)
    parser.add_argument("--text", action="store_true", help="type instead: each line of stdin is a turn")
    parser.add_argument("--speak", action="store_true", help="with --text: replies are spoken, too")
    parser.add_argument(
        "--half-duplex",
        action="store_true",
        help="mute the microphone while it replies: for loudspeakers, whose echo would cut it off",
    )
    parser.add_argument("--model", metavar="MODEL", help="without --url: as in `soundmind serve`")
    _add_config(parser)


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_eval, host="127.0.0.1", port=0, voice="none")
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="recordings, and a CSV file: file,text,answer"
    )
    parser.add_argument("--model", metavar="MODEL", help="as in `soundmind serve`")
    parser.add_argument("--live", action="store_true", help="speak to a server of its own, at speaking pace")
    parser.add_argument("--url", help="speak to a server that runs already")
    parser.add_argument("--api-key", metavar="KEY", help="the key that the server asks for")
    parser.add_argument("--callers", type=int, default=4, metavar="N", help="live conversations at once (4)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write answers.json, eval.md and eval.svg there"
    )
    parser.add_argument("--count", type=int, metavar="N", help="cases of each family (200)")
    parser.add_argument("--families", metavar="A,B", help="numbers, sequences, everyday, memory, … (all)")
    parser.add_argument(
        "--conditions", metavar="A,B", help="clean,noise,telephone (all; of your recordings: clean)"
    )
    parser.add_argument(
        "--encodings",
        metavar="A,B",
        help="incremental,refined (both); offline also whole, live also served: as the server does by itself",
    )
    parser.add_argument(
        "--suites",
        metavar="A,B",
        help="families,digits,apart,three,prompts,voices,ends (all; ends: offline alone)",
    )
    parser.add_argument(
        "--instructions", metavar="TEXT", help="the system prompt for your recordings (nano's)"
    )
    parser.add_argument(
        "--think",
        choices=("none", "short", "medium", "long"),
        default="medium",
        help="how long to think about your recordings (medium)",
    )
    _add_windows(parser)
    suite_command.add_options(parser)
    _add_config(parser)


def _add_think(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--think",
        choices=tuple(MODES),
        help="before replying, or mind-paced, while it replies: mind-paced is think-first, which thinks a "
        "little before (the server's default: on)",
    )
    parser.add_argument(
        "--while-listening",
        action="store_true",
        help="think at the pauses of what is said, and carry the thoughts on",
    )


def _add_load(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_bench)
    load_command.add_arguments(parser)
    parser.add_argument("--api-key", metavar="KEY", help="the key that the server asks for")
    _add_config(parser)


def _add_observability(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log-format", choices=get_args(Format), help="of the log, on stderr (text)")
    parser.add_argument(
        "--log-level", choices=get_args(Level), help="the least that is logged (warning; info: every reply)"
    )
    parser.add_argument(
        "--log-content", action="store_true", default=None, help="write what is said to the log, too"
    )
    parser.add_argument(
        "--otlp-endpoint",
        metavar="URL",
        help="send a trace of every reply there, by OpenTelemetry's protocol over HTTP (nowhere)",
    )


def _add_windows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--look-ahead-ms",
        type=int,
        metavar="MS",
        help="audio heard behind a chunk before it is encoded (320; a multiple of 80)",
    )
    parser.add_argument(
        "--left-context-s",
        type=float,
        metavar="S",
        help="audio before a chunk that is encoded along with it (4; a multiple of 0.08)",
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")


if __name__ == "__main__":
    main()
