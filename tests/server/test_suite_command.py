"""`soundmind eval --suite` as a command: files in, tables and files out; what is told of mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests import checkpoints
from tests.model.evaluation.suites import samples
from tests.processes import soundmind


def outcome(*arguments: str) -> tuple[int, str]:
    """One thread: on a busy machine torch's threads wait for each other."""
    with soundmind("eval", *arguments, OMP_NUM_THREADS="1") as process:
        code = process.end()
    return code, "".join(process.output)


def test_offline(tmp_path: Path) -> None:
    """With a checkpoint that says anything: what nano says is asked in test_suites.py."""
    samples.big_bench_audio(tmp_path / "data")
    checkpoints.write(tmp_path / "tiny")
    given = {
        "--suite": "big-bench-audio",
        "--data": tmp_path / "data",
        "--model": tmp_path / "tiny",
        "--out": tmp_path / "out",
        "--sets": "object_counting",
        "--runs": 1,
        "--max-tokens": 4,
    }
    arguments = [str(part) for pair in given.items() for part in pair]
    code, output = outcome(*arguments)
    assert code == 0, output
    assert "run 1: 1 of 1 answered" in output
    assert re.search(r"^all of Big Bench Audio +0.0 % ", output, re.M)
    assert "Step-Audio-R1 report, arXiv 2511.15848" in output
    assert "--judge names one" in output
    (record,) = map(json.loads, (tmp_path / "out/predictions.jsonl").read_text().splitlines())
    assert (record["id"], record["run"], record["error"]) == ("2", 1, None)
    code, output = outcome(*arguments)
    assert code == 0 and "answered" not in output and "all of Big Bench Audio" in output


def test_mistakes(tmp_path: Path) -> None:
    code, output = outcome("--suite", "mmau")
    assert code == 2 and output == (
        "soundmind: data: expected the folder with the benchmark's files, got nothing\n"
    )
    code, output = outcome("--suite", "mmlu", "--data", str(tmp_path))
    assert code == 2 and "suite: expected one of mmau" in output and "Traceback" not in output
    code, output = outcome("--suite", "mmau", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 1 and "expected mmau-test-mini.json" in output and output.count("\n") == 1
