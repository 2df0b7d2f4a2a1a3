"""One error in a group's place."""

from __future__ import annotations

import asyncio

import pytest

from server.tasks import one_error


async def fail(error: Exception) -> None:
    raise error


async def test_the_first_error_comes_out_and_the_group_is_its_cause() -> None:
    with pytest.raises(KeyError) as caught, one_error():
        async with asyncio.TaskGroup() as outer:
            outer.create_task(asyncio.sleep(60))
            async with asyncio.TaskGroup() as inner:
                inner.create_task(fail(KeyError("x")))
    assert isinstance(caught.value.__cause__, BaseExceptionGroup)


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError), one_error():
        raise ValueError
