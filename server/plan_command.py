"""`soundmind plan`: the command line of `server.plan`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from server import plan
from server.shutdown import Shutdown

HELP = """What a checkpoint needs and a machine holds, on paper: weights, KV cache, conversations at a time,
and thinking tokens a second as memory bandwidth allows, each with its formula. Nothing is loaded, and
nothing is measured."""


def add(commands: Any) -> None:
    """To argparse's commands, whose type has no public name."""
    parser = commands.add_parser("plan", help="what does a machine hold? on paper", description=HELP)
    parser.set_defaults(command=run)
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="nano, Step-Audio-2-mini, Step-Audio-R1, or a folder with a config.json",
    )
    parser.add_argument("--gpu", choices=tuple(plan.GPUS), default="H100", help="which (H100)")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="how many (1)")
    parser.add_argument(
        "--data-parallel", type=int, default=1, metavar="N", help="copies of the weights among them (1)"
    )
    parser.add_argument("--dtype", choices=tuple(plan.WEIGHT_BYTES), default="bfloat16", help="of weights")
    parser.add_argument("--kv-dtype", choices=("float32", "bfloat16", "fp8"), default="bfloat16")
    parser.add_argument("--max-model-len", type=int, metavar="N", help="tokens of a conversation")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, vllm_args: tuple[str, ...], shutdown: Shutdown) -> int:
    """Returns the exit code."""
    try:
        return _print(args)
    except plan.PlanError as error:
        print(f"soundmind: {error}", file=sys.stderr)
        return 1


def _print(args: argparse.Namespace) -> int:
    copies = args.data_parallel
    if args.count % copies:
        raise plan.PlanError(f"{args.count} GPUs make no {copies} equal parts")
    made = plan.plan(
        plan.shape(args.model),
        plan.Machine(plan.GPUS[args.gpu], args.count // copies, copies),
        weight_bytes=plan.WEIGHT_BYTES[args.dtype],
        kv_number=plan.WEIGHT_BYTES[args.kv_dtype],
        max_model_len=args.max_model_len,
    )
    if args.json:
        print(json.dumps(plan.as_json(made)))
    else:
        where = f"{args.count} x {args.gpu}, weights in {args.dtype}, KV in {args.kv_dtype}"
        print("\n".join(plan.lines(args.model, where, made)))
    return 0
