"""Frames to a film: how long each is shown, and that it is one."""

from __future__ import annotations

import io

from PIL import Image

from tools.film import LAST, LONGEST, SHORTEST, Frame, thinned, webp


def frame(at: float, colour: str = "red") -> Frame:
    out = io.BytesIO()
    Image.new("RGB", (64, 32), colour).save(out, "JPEG")
    return Frame(at, out.getvalue())


def test_of_frames_too_close_together_the_newest_is_kept() -> None:
    first, soon, late = frame(10.0), frame(10.0 + SHORTEST / 2, "green"), frame(11.0, "blue")
    assert thinned([first, soon, late]) == [Frame(10.0, soon.jpeg), late]


def test_each_frame_is_shown_until_the_next() -> None:
    film = Image.open(io.BytesIO(webp([frame(10.0), frame(10.5, "green"), frame(20.0, "blue")], 32)))
    assert film.size == (32, 16)
    shown = []
    for number in range(3):
        film.seek(number)
        film.load()
        shown.append(film.info["duration"])
    assert shown == [500, round(1000 * LONGEST), round(1000 * LAST)]
