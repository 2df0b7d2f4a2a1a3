from __future__ import annotations

import asyncio

import pytest

from server.tasks import one_error


async def fail(error: Exception) -> None:
    raise error


async def test_the_error_comes_in_the_place_of_its_group() -> None:
    with pytest.raises(ValueError, match="broken") as caught, one_error():
        async with asyncio.TaskGroup() as outer:
            outer.create_task(asyncio.sleep(60))
            async with asyncio.TaskGroup() as inner:
                inner.create_task(fail(ValueError("broken")))
    assert isinstance(caught.value.__cause__, BaseExceptionGroup)


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), one_error():
        raise KeyError


def test_no_error_is_none() -> None:
    with one_error():
        pass
