"""A server with OpenAI's chat completions: as a judge of texts, and as a model that hears a recording.

Any such server will do: vLLM (with this project's plugin, or with the authors' own fork), or a hosted one.
Knows no benchmark.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soundfile
from openai import AsyncOpenAI, BadRequestError, DefaultAsyncHttpxClient, OpenAIError

from model.config import SAMPLE_RATE
from model.errors import UserError
from model.evaluation.case import Case, Outcome
from model.prompt import END_THINK, LONG, SHORT
from server.auth import is_loopback

PATIENCE = 1800.0  # seconds for an answer, thoughts included
RETRIES = 3


class ChatError(UserError):
    """The server could not be asked; one line that says why."""


class Unanswerable(ChatError):
    """The server takes no such request, a recording that is too long for it, say; others it may take."""


class Chat:
    """`model`: its name there; None: the only one that the server has."""

    def __init__(self, url: str, model: str | None, key: str | None, retries: int = RETRIES) -> None:
        self.url, self._model = url, model
        self._client = AsyncOpenAI(
            base_url=url,
            api_key=key or "none",
            max_retries=retries,
            timeout=PATIENCE,
            http_client=DefaultAsyncHttpxClient(trust_env=not is_loopback(urlsplit(url).hostname or "")),
        )

    async def close(self) -> None:
        await self._client.close()

    async def model(self) -> str:
        """Raises ChatError."""
        if self._model is None:
            try:
                names = [model.id async for model in self._client.models.list()]
            except OpenAIError as error:
                raise self._refused(error) from error
            if len(names) != 1:
                raise ChatError(
                    f"{self.url}: expected the model's name, it has {', '.join(names[:8]) or 'none'}"
                )
            self._model = names[0]
        return self._model

    async def ask(self, messages: Sequence[dict[str, Any]], **sampling: Any) -> list[str]:
        """The replies. Raises Unanswerable, ChatError."""
        asked: dict[str, Any] = {"model": await self.model(), "messages": list(messages), **sampling}
        try:
            found = await self._client.chat.completions.create(**asked)
        except OpenAIError as error:
            raise self._refused(error) from error
        return [choice.message.content or "" for choice in found.choices]

    def _refused(self, error: OpenAIError) -> ChatError:
        kind = Unanswerable if isinstance(error, BadRequestError) else ChatError
        return kind(f"{self.url}: {' '.join(str(error).split())}")


def messages(case: Case) -> list[dict[str, Any]]:
    """The case as chat messages; what was spoken before goes along."""
    found: list[dict[str, Any]] = []
    line = {"short": SHORT, "long": LONG}.get(case.effort, "")
    if told := "\n".join(filter(None, (case.instructions, line))):
        found.append({"role": "system", "content": told})
    for before in case.before:
        said = [_audio(before.clip.samples)] if before.clip else [_text(before.said)]
        found += [{"role": "user", "content": said}, {"role": "assistant", "content": before.reply}]
    content = [_audio(case.clip.samples), *([_text(case.question)] if case.question else [])]
    return [*found, {"role": "user", "content": content}]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _audio(samples: np.ndarray[Any, np.dtype[np.int16]]) -> dict[str, Any]:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV")
    data = base64.b64encode(file.getvalue()).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def outcome(text: str) -> Outcome:
    """Thoughts come first in the text, or, where the server parses them out, not at all."""
    thinking, ended, reply = text.rpartition(END_THINK)
    return Outcome(thinking.strip().removeprefix("<think>").strip() if ended else "", reply.strip())
