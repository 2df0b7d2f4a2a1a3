from __future__ import annotations

from streaming.piper_worker import last_phonemes, with_durations


def test_the_durations_become_an_output() -> None:
    model = b"head/Ceil_output_0tail"
    name = b"\x0a\x0e/Ceil_output_0"
    value_info = name + b"\x12\x04\x0a\x02\x08\x01"
    graph = b"\x62" + bytes([len(value_info)]) + value_info
    # The file stays as it is without that in front: "head/" is a part of the name.
    assert with_durations(b"\0" + model[4:]) == b"\0" + model[4:] + b"\x3a" + bytes([len(graph)]) + graph


def test_a_model_without_durations_stays_as_it_is() -> None:
    assert with_durations(b"something else") == b"something else"


def words(text: str, *weights: int) -> list[str]:
    """What of the text each word ends with."""
    sentences = [list(line) for line in text.split("|")]
    return ["".join(sentences[s][: i + 1]) for s, i in last_phonemes(sentences, weights)]


def test_groups_are_words() -> None:
    assert words("wun tu, θri.", 9, 9, 9) == ["wun", "wun tu", "wun tu, θri"]


def test_groups_are_words_across_sentences() -> None:
    assert words("ha.|ju.", 1, 1) == ["ha", "ju"]


def test_words_spoken_as_one_share_it() -> None:
    assert words("end ʌvðə dei", 3, 2, 2, 3) == ["end", "end ʌv", "end ʌvðə", "end ʌvðə dei"]


def test_what_fits_nothing_is_shared_out() -> None:
    assert words("abcdefgh", 1, 1, 1, 1, 1, 1, 1, 1) == ["abcdefgh"[: n + 1] for n in range(8)]


def test_a_word_spoken_as_several_ends_with_the_last() -> None:
    assert words("mʌðə in lɔ haus", 7, 4) == ["mʌðə in lɔ", "mʌðə in lɔ haus"]


def test_nothing_that_sounds() -> None:
    assert last_phonemes([["."]], [0]) == [(0, 0)]
    assert last_phonemes([], [0]) == [(0, 0)]
