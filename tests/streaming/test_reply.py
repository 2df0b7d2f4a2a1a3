"""What has been told of a reply, and when."""

from streaming.events import Timings, Usage
from streaming.reply import ActiveReply


def test_its_end_carries_what_was_told() -> None:
    reply = ActiveReply("resp", "item", asked_at=10.0, metadata={"a": "b"}, usage=Usage(audio=3))
    reply.timings = Timings(first_reply=120.0)
    reply.text, reply.thinking = "said", "thought"
    done = reply.done("cancelled", "turn_detected", None, now=10.5)
    assert (done.text, done.thinking, done.status, done.reason) == (
        "said",
        "thought",
        "cancelled",
        "turn_detected",
    )
    assert done.timings == Timings(first_reply=120.0, done=500.0)
    assert done.usage.audio == 3
    assert done.metadata == {"a": "b"}
