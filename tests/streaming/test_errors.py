"""Errors are told apart by what the caller can do, and each has a code of its own."""

from streaming import errors
from streaming.errors import SessionError


def test_every_refusal_has_its_own_code() -> None:
    refusals = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, SessionError)]
    codes = [e.code for e in refusals]
    assert len(refusals) > 5
    assert len(set(codes)) == len(codes)
