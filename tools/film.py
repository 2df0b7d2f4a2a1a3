"""A tab of Chromium as it changes, filmed: to one animated WebP.

The browser casts a frame whenever something on the page has changed, with the time (CDP,
Page.startScreencast). Between two nothing moves, so that is how long the first is shown, up to a most.
Needs Pillow, which vLLM brings along.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from PIL import Image

from tools.chromium import Page

QUALITY = 85  # of the frames cast, in percent
KEPT = 80  # of those in the film
SHORTEST = 0.12  # seconds a frame is shown: what comes sooner is left out
LONGEST = 2.5  # seconds a frame is shown, however long nothing moved
LAST = 3.0  # that the end is shown


@dataclass(frozen=True)
class Frame:
    at: float  # seconds since 1970
    jpeg: bytes


@asynccontextmanager
async def filmed(page: Page) -> AsyncIterator[list[Frame]]:
    """The frames of what happens inside, complete behind the block."""
    frames: list[Frame] = []
    page.cast = lambda at, jpeg: frames.append(Frame(at, jpeg))
    await page.command("Page.startScreencast", format="jpeg", quality=QUALITY)
    try:
        yield frames
    finally:
        await page.command("Page.stopScreencast")
        page.cast = None


def thinned(frames: Sequence[Frame]) -> list[Frame]:
    """Those that are shown long enough to be seen; the newest of several too close together is kept."""
    kept: list[Frame] = []
    for frame in frames:
        if kept and frame.at - kept[-1].at < SHORTEST:
            kept[-1] = Frame(kept[-1].at, frame.jpeg)
        else:
            kept.append(frame)
    return kept


def webp(frames: Sequence[Frame], width: int) -> bytes:
    """The film, scaled to a width in pixels; it is shown over and over."""
    kept = thinned(frames)
    pictures = [Image.open(io.BytesIO(frame.jpeg)).convert("RGB") for frame in kept]
    scaled = [picture.resize((width, round(picture.height * width / picture.width))) for picture in pictures]
    ends = [frame.at for frame in kept[1:]]
    shown = [min(end - frame.at, LONGEST) for frame, end in zip(kept[:-1], ends, strict=True)]
    durations = [round(1000 * seconds) for seconds in [*shown, LAST]]
    out = io.BytesIO()
    scaled[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=scaled[1:],
        duration=durations,
        loop=0,
        quality=KEPT,
        method=4,
        minimize_size=True,
    )
    return out.getvalue()
