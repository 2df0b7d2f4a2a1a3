"""The whole course in its smallest size, from nano; and what each ablation learns from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from model import checkpoint
from model.training.mgrd import stages
from model.training.mgrd.chains import Chain, Sampler, torch_chains
from model.training.mgrd.filters import Kept
from model.training.mgrd.questions import Question, typed
from model.training.mgrd.sampler import Sampled
from model.training.mgrd.stages import Ablation, Course, Plan, result

SMALLEST = Plan(4, 2, 2, 1, chains=2, rounds=2, cold=1, rlvr=1, sft=1, rl=1, distil=1, dpo=1)
EVERY = "cold rlvr round1-sft round1-rl round2-sft round2-rl distil dpo".split()


class Small(Course):
    """Spoken questions without a sound, so that nothing is spoken or encoded here."""

    def __init__(
        self, folder: Path, spoken: list[Question], sampler: Sampler = torch_chains, ablation: Ablation = ""
    ) -> None:
        super().__init__(SMALLEST, checkpoint.NANO, folder, sampler, ablation)
        self.__dict__ |= {"perception": spoken, "hearing": spoken[:2], "tested": spoken[2:3]}
        self.__dict__["_pool"] = stages.Words()  # nothing spoken beside


def test_it_goes_through_all_stages_once(spoken: list[Question], tmp_path: Path) -> None:
    last = Small(tmp_path, spoken).run()
    assert last == tmp_path / "dpo"
    for name in EVERY:
        checkpoint.check(tmp_path / name)
        assert json.loads((tmp_path / f"{name}.json").read_text())["cpu_seconds"] >= 0
    assert not list(tmp_path.glob("*.pt")) and not list(tmp_path.glob("*.tmp"))
    errors = json.loads((tmp_path / "cognition.json").read_text())
    assert all(errors[when]["asked"] == stages.ASKED_AGAIN for when in ("before", "distil", "dpo"))

    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}

    def never(folder: Path, questions: Sequence[Question], count: int, seed: int) -> list[list[Sampled]]:
        raise AssertionError("what is there was sampled again")

    assert Small(tmp_path, spoken, never).run() == last
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == written

    result(last, tmp_path / "result", checkpoint.NANO)
    checkpoint.check(tmp_path / "result")
    assert (tmp_path / "result" / "chat_template.jinja").exists()


def chains(course: Course, questions: list[Question], kept: list[list[Kept]]) -> list[Chain]:
    return [
        Chain(question, Sampled((i, j), True), "", "", one)
        for i, (question, group) in enumerate(zip(questions, kept, strict=True))
        for j, one in enumerate(group)
    ]


@pytest.mark.parametrize(
    ("ablation", "good", "chosen"),
    [
        ("", 3, [1]),
        ("no-reasoning-reward", 3, [1]),
        ("always-failed", 3, [3]),
        ("unfiltered", 8, [0, 1, 2, 3]),
    ],
)
def test_what_is_learned_from(
    ablation: Ablation, good: int, chosen: list[int], spoken: list[Question], tmp_path: Path
) -> None:
    """Of four questions 8, 4, 1 and 0 of 8 chains are right; of the first two some hang together."""
    course = Small(tmp_path, spoken, ablation=ablation)
    course.plan = Plan(chains=8)
    yes, loose, no = Kept(True, True, True), Kept(True, False, True), Kept(True, True, False)
    kept = [[yes] * 8, [yes] + [loose] * 3 + [no] * 4, [loose] + [no] * 7, [no] * 8]
    found = chains(course, spoken, kept)
    assert len(course._good(found)) == good
    assert course._chosen(found, spoken) == [spoken[i] for i in chosen]
    text = typed(4, "stages")
    wanted = [1] if ablation != "unfiltered" else [0, 1, 2, 3]
    assert course._chosen(chains(course, text, kept), text) == [text[i] for i in wanted]
