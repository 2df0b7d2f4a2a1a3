"""The second training: from the weights of a checkpoint, more of what was learned slowly, sounds above all.

It begins with the adaptor, which learns to put the letters of tones where they sound, against word embeddings
that stay, and with the heads that read the voice off it. Then everything together: conversations, and as many
questions about sounds and voices, each a conversation of its own; most of those about sounds ask about others
each time (splice.py). Knows no audio.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from model import checkpoint
from model.training import corpus, splice, tokenizer, train, world
from model.training.conversations import Maker, Row, Source
from model.training.features import Heard
from model.training.train import Pool, Run, Schedule

RATE = 8e-4
HEADS, EARS, STEPS = 100, 500, 5000  # of the heads alone, up to there of the adaptor alone, of everything
OFTEN = {"sequences": 0.1, "everyday": 0.1, "memory": 0.08, "unknown": 0.14}  # of spoken turns: intents alike
TOLD = 0.06  # and those of perception, see `told`
SPLICED = 0.75  # share of the questions about sounds that ask about others
TAKES = {"": 24, corpus.SOUNDS: 16, "told": 24}  # in a step of the adaptor alone
BESIDE = {corpus.SOUNDS: 4, "told": 4}  # in a step of everything, for the adaptor alone
Kind = tuple[float, int, int, int, int, int, Callable[[random.Random], int]]
# Share of the steps; length of rows; rows of conversations, perception, text and WRITTEN; turns.
KINDS: tuple[Kind, ...] = (
    (0.8, 320, 3, 3, 1, 1, train.turns_short),
    (0.17, 900, 1, 1, 1, 0, train.turns_long),
    (0.03, 1600, 1, 0, 0, 0, lambda r: 24),
)
WRITTEN = {i: 3 if "tones" in i else 2 for i in splice.MAKERS}  # whose sounds are also written out
AVERAGE = 0.997
SHARE = 0.88  # of its weights in the checkpoint, the rest are those that it started from


def told() -> dict[str, int]:
    """How often intents of perception are drawn: claims as often right, or the words alone would tell."""
    of_sounds = {i: corpus.TOLD[i] for i in world.FAMILIES["perception"]}
    return of_sounds | {i: of_sounds[i.replace("claim_", "conflict_")] for i in of_sounds if "claim_" in i}


def often(of_families: Mapping[str, float]) -> dict[str, float]:
    """Shares of the spoken turns of conversations by intent."""
    rules = world.FAMILIES
    families = {i: share / len(rules[f]) for f, share in of_families.items() for i in rules[f]}
    shares = told()
    return families | {i: TOLD * share / sum(shares.values()) for i, share in shares.items()}


class Spliced(Pool):
    """Takes whose sounds are mostly other takes'."""

    def __init__(self) -> None:
        super().__init__()
        self.snippets = splice.Snippets()
        shares = told()
        self._told = list(shares), list(shares.values())

    def add(self, take: Heard) -> None:
        super().add(take)
        if not take.cut:
            self.snippets.add(take)

    def spoken(self, intent: str | None = None) -> Heard:
        found = super().spoken(intent)
        return self.snippets.made(found, self.r) if self.r.random() < SPLICED else found

    def perceived(self) -> Heard:
        """One that asks about sounds or the voice."""
        return self.spoken(self.r.choices(self._told[0], weights=self._told[1])[0])

    def several(self, counts: dict[str, int]) -> list[Heard]:
        """So many of each kind; "told" are those of `perceived`."""
        return [
            self.perceived() if kind == "told" else self.spoken(kind)
            for kind, count in counts.items()
            for _ in range(count)
        ]


class Again(Run):
    """The second training's run. `begin`: the folder of a checkpoint of this recipe, from which it starts.

    Raises CheckpointError, and ValueError for a tokenizer of another kind.
    """

    average_decay = AVERAGE

    def __init__(self, schedule: Schedule, path: Path, begin: Path) -> None:
        self.begin = begin
        super().__init__(schedule, path)

    def new_words(self) -> list[str]:
        return tokenizer.words_in(self.begin)

    def new_weights(self) -> dict[str, Tensor]:
        return shipped(self.begin)

    def makers(self) -> tuple[Spliced, Maker]:
        pool = Spliced()
        return pool, Maker(self.prompt, Source(pool.spoken, pool.cut), often(OFTEN))

    @property
    def heads_alone(self) -> bool:
        return self.step < HEADS

    def takes_of_ears(self) -> list[Heard]:
        assert isinstance(self.pool, Spliced)
        return self.pool.several(TAKES)

    def rows(self, r: random.Random) -> tuple[list[Row], list[Heard]]:
        assert isinstance(self.pool, Spliced)
        return drawn(KINDS, self.maker, self.pool, r), self.pool.several(BESIDE)


def drawn(kinds: Sequence[Kind], maker: Maker, pool: Spliced, r: random.Random) -> list[Row]:
    """One step's rows, of a kind drawn by its share."""
    _, length, spoken, perceived, text, written, turns = r.choices(kinds, [kind[0] for kind in kinds])[0]
    found = [maker.row(length, r, turns) for _ in range(spoken)]
    found += [maker.asked(length, r, pool.perceived) for _ in range(perceived)]
    found += [maker.row(length, r, train.turns_text, text=True) for _ in range(text)]
    found += [maker.asked(length, r, lambda: _on_paper(r)) for _ in range(written)]
    return found


def _on_paper(r: random.Random) -> world.Utterance:
    """A question about sounds, to be thought about without hearing them."""
    intent = r.choices(list(WRITTEN), weights=list(WRITTEN.values()))[0]
    return world.of_intent(r.getrandbits(48), intent)


def shipped(folder: Path) -> dict[str, Tensor]:
    """The adaptor and the decoder of a checkpoint, as the learner names them. Raises CheckpointError."""
    state = checkpoint.load(folder).state_dict()
    return {name: value for name, value in state.items() if name.startswith(("adapter.", "model."))}


def run(
    begin: Path,
    state: Path,
    threads: int,
    ears: int = EARS,
    joint: int = STEPS,
    rate: float = RATE,
    stop: int | None = None,
) -> None:
    torch.set_num_threads(threads)
    state.parent.mkdir(parents=True, exist_ok=True)
    Again(Schedule(0, ears, joint, rate), state, begin).go(stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("begin", type=Path, help="the folder of the checkpoint to start from")
    parser.add_argument("--state", type=Path, required=True, help="where the state is kept")
    parser.add_argument("--ears", type=int, default=EARS, help="steps of the adaptor alone")
    parser.add_argument("--joint", type=int, default=STEPS, help="steps of everything together")
    parser.add_argument("--rate", type=float, default=RATE, help="the highest learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stop", type=int, help="stop at this step, to go on later")
    given = parser.parse_args()
    run(given.begin, given.state, given.threads, given.ears, given.joint, given.rate, given.stop)
