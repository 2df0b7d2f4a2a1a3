"""A conversation under any sequence of what can be done to it, beside a plain list that does the same."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streaming.conversation import ROOT, Conversation, Entry
from streaming.errors import DuplicateItem, ItemActive, UnknownCall, UnknownItem
from streaming.events import FunctionCall, FunctionOutput, Item, Message

ROLES = st.sampled_from(("user", "assistant", "system"))
WORDS = st.text("ab ", max_size=5)
PLACE = st.integers(-2, 40)  # at the end, in front, or behind one of the items


class Conversing(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.conversation = Conversation()
        self.items: list[Item] = []  # in order
        self.reply: Entry | None = None  # the one that is being made
        self.gone: set[str] = set()
        self.count = 0

    def fresh(self, kind: str) -> str:
        self.count += 1
        return f"{kind}_{self.count}"

    def ids(self) -> list[str]:
        return [item.id for item in self.items]

    def open_ids(self) -> list[str]:
        return [item.id for item in self.reply.items] if self.reply else []

    def behind(self, after: str | None) -> int:
        """Where what is put behind an item stands: a reply in the making stays in one piece."""
        if after is None:
            return len(self.items)
        if after == ROOT:
            return 0
        last = self.open_ids()[-1] if after in self.open_ids() else after
        return self.ids().index(last) + 1

    def put(self, item: Item, place: int) -> None:
        after = None if place == -2 else ROOT
        if place >= 0 and self.items:
            after = self.items[place % len(self.items)].id
        at = self.behind(after)
        before = self.conversation.add(Entry([item]), after)
        assert before == (self.items[at - 1].id if at else None)
        self.items.insert(at, item)

    def refused(self, error: type[Exception], work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except error:
            return
        raise AssertionError(f"not refused: {arguments}")

    @rule(role=ROLES, text=WORDS, place=PLACE)
    def say(self, role: Any, text: str, place: int) -> None:
        self.put(Message(self.fresh("item"), role, text=text), place)

    @rule(place=PLACE)
    def call(self, place: int) -> None:
        self.put(FunctionCall(self.fresh("item"), self.fresh("call"), "f", "{}"), place)

    @rule(which=st.integers(0, 40), place=PLACE)
    def answer(self, which: int, place: int) -> None:
        calls = [item.call_id for item in self.items if isinstance(item, FunctionCall)]
        if calls:
            self.put(FunctionOutput(self.fresh("item"), calls[which % len(calls)], "f", "1"), place)
        else:
            output = FunctionOutput(self.fresh("item"), "call_x", "f", "1")
            self.refused(UnknownCall, self.conversation.add, Entry([output]))

    @precondition(lambda self: self.reply is None)
    @rule()
    def begin_reply(self) -> None:
        self.reply = Entry(open=True)

    @precondition(lambda self: self.reply is not None)
    @rule(calls=st.booleans())
    def extend_reply(self, calls: bool) -> None:
        assert self.reply is not None
        name = self.fresh("item")
        item: Item = FunctionCall(name, self.fresh("call"), "f", "{}")
        if not calls and not self.reply.items:
            item = Message(name, "assistant", text="")
        at = self.behind(self.open_ids()[-1] if self.open_ids() else None)
        before = self.conversation.extend(self.reply, item)
        assert before == (self.items[at - 1].id if at else None)
        self.items.insert(at, item)

    @precondition(lambda self: self.reply is not None)
    @rule()
    def end_reply(self) -> None:
        assert self.reply is not None
        self.reply.open, self.reply = False, None

    @precondition(lambda self: bool(self.items))
    @rule(which=st.integers(0, 40))
    def delete(self, which: int) -> None:
        item = self.items[which % len(self.items)]
        if item.id in self.open_ids():
            self.refused(ItemActive, self.conversation.remove, item.id)
            return
        self.conversation.remove(item.id)
        self.items.remove(item)
        self.gone.add(item.id)

    @precondition(lambda self: bool(self.items))
    @rule(which=st.integers(0, 40), text=WORDS)
    def heard(self, which: int, text: str) -> None:
        at = which % len(self.items)
        item = self.items[at]
        self.conversation.heard(item.id, text)
        if isinstance(item, Message):
            self.items[at] = Message(item.id, item.role, item.spoken, text)

    @precondition(lambda self: bool(self.items))
    @rule(which=st.integers(0, 40))
    def twice(self, which: int) -> None:
        item = self.items[which % len(self.items)]
        self.refused(DuplicateItem, self.conversation.add, Entry([Message(item.id, "user")]))

    @rule()
    def nowhere(self) -> None:
        for name in (*self.gone, "item_x"):
            self.refused(UnknownItem, self.conversation.find, name)
            self.refused(UnknownItem, self.conversation.add, Entry([Message("new", "user")]), name)

    @invariant()
    def the_order_is_kept(self) -> None:
        assert [item for entry in self.conversation for item in entry.items] == self.items
        assert self.conversation.last_id == (self.items[-1].id if self.items else None)
        assert self.conversation.replying == bool(self.open_ids())

    @invariant()
    def no_turn_is_empty(self) -> None:
        assert all(entry.items for entry in self.conversation)


TestConversing = Conversing.TestCase
