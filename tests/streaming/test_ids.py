from __future__ import annotations

import re

from streaming.ids import new_id


def test_an_id_tells_its_kind_and_is_no_other() -> None:
    ids = {new_id("item") for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch("item_[0-9a-f]{20}", one) for one in ids)
