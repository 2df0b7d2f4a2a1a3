"""Questions with choices: how StepFun and MMSU ask them, and how MMAU, MMAR and MMSU read the reply. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# As StepFun asks Step-Audio-R1 a question of MMAU (stepfun-ai/Step-Audio-R1, examples-vllm_r1.py).
ANALYST = (
    "You are an expert in audio analysis, "
    "please analyze the audio content and answer the questions accurately."
)
WORD = re.compile(r"\b\w+\b")
RESPONSE = re.compile(r"<response>(.*?)(?:</response>|$)", re.IGNORECASE | re.DOTALL)
LETTERS = "ABCD"


def stepfun(question: str, choices: Sequence[str]) -> str:
    """Source: as ANALYST."""
    options = ", ".join(choices)
    return (
        f"{question} Please choose the answer from the following options: [{options}] "
        "Output the final answer in <RESPONSE> </RESPONSE>."
    )


def response(reply: str) -> str:
    """What stands in the last <RESPONSE>; the whole reply where there is none."""
    found = RESPONSE.findall(reply)
    return (found[-1] if found else reply).strip()


def words_match(answer: str, prediction: str, choices: Iterable[str]) -> bool:
    """MMAU's rule, and MMAR's: every word of the answer is there, and no word that only wrong choices have.

    Words are sets, in lower case. Source: Sakshi113/MMAU, evaluation.py.
    """
    said, right = _words(prediction), _words(answer)
    wrong = set().union(*(_words(choice) - right for choice in choices if _words(choice) != right))
    return bool(said) and right <= said and not said & wrong


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))


def lettered(question: str, choices: Sequence[str]) -> str:
    """As MMSU asks, a choice that a question lacks included. Source: its mmsu_inference.py."""
    options = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))
    return (
        "Choose the most suitable answer from options A, B, C, and D to respond the question in next line, "
        "**you should only choose A or B or C or D.** Do not provide any additional explanations or content."
        f"\n\nQuestion: {question}\n\n{options}"
    )


def letter(reply: str) -> str:
    """MMSU's rule: the first character, or else the last but one ("The answer is A."). Empty: neither is one.

    Source: its mmsu_evaluation.py, which leaves such replies out of its share; here they are wrong.
    """
    said = reply.strip().replace("\n", "")
    if said[:1] and said[0] in LETTERS:
        return said[0]
    return said[-2] if len(said) > 1 and said[-2] in LETTERS else ""
