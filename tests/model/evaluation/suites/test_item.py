"""A question as a case: what is spoken, what is typed, what came before."""

from __future__ import annotations

from pathlib import Path

from model.evaluation.suites.item import Item, Round, Sound
from tests.model.evaluation.suites import samples


def test_case(tmp_path: Path) -> None:
    samples.sound(tmp_path / "a.wav", seconds=1.0)
    sound = Sound(tmp_path / "a.wav")
    typed = Item("n", "g", sound, "yes", "Is it?", instructions="Listen.").case("long")
    assert (typed.question, typed.instructions, typed.effort) == ("Is it?", "Listen.", "long")
    assert not typed.clip.voiced and typed.transcript == ""
    spoken = Item("n", "g", sound, "yes", earlier=(Round(sound, "hi", "Hello!"),), said="ho").case("none")
    assert spoken.clip.voiced and spoken.clip.words == "ho"
    (before,) = spoken.before
    assert (before.said, before.reply, before.clip is not None) == ("hi", "Hello!", True)
