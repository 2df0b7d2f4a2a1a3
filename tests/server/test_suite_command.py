"""`soundmind eval --suite` as a command: files in, tables and files out; what is told of mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.model.evaluation.suites import samples
from tests.processes import soundmind


def outcome(*arguments: str) -> tuple[int, str]:
    with soundmind("eval", *arguments) as process:
        code = process.end()
    return code, "".join(process.output)


def test_offline(tmp_path: Path) -> None:
    samples.big_bench_audio(tmp_path / "data")
    arguments = [
        "--suite",
        "big-bench-audio",
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "out"),
    ]
    greedy = ["--sets", "object_counting", "--runs", "1", "--temperature", "0", "--max-tokens", "96"]
    code, output = outcome(*arguments, *greedy)
    assert code == 0, output
    assert "run 1: 1 of 1 answered" in output
    assert re.search(r"^all of Big Bench Audio +100.0 %", output, re.M)
    assert "Step-Audio-R1 report, arXiv 2511.15848" in output
    assert "--judge names one" in output
    (record,) = map(json.loads, (tmp_path / "out/predictions.jsonl").read_text().splitlines())
    assert "42" in record["reply"]
    code, output = outcome(*arguments, *greedy)
    assert code == 0 and "answered" not in output and "100.0 %" in output


def test_mistakes(tmp_path: Path) -> None:
    code, output = outcome("--suite", "mmau")
    assert code == 2 and output == (
        "soundmind: data: expected the folder with the benchmark's files, got nothing\n"
    )
    code, output = outcome("--suite", "mmlu", "--data", str(tmp_path))
    assert code == 2 and "suite: expected one of mmau" in output and "Traceback" not in output
    code, output = outcome("--suite", "mmau", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 1 and "expected mmau-test-mini.json" in output and output.count("\n") == 1
