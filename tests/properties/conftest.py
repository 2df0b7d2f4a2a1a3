"""How many examples: few and always the same ones, or with EXAMPLES=5000 as many others at every run."""

from __future__ import annotations

import os

from hypothesis import settings

wanted = os.environ.get("EXAMPLES")
settings.register_profile(
    "properties",
    max_examples=int(wanted or 40),
    stateful_step_count=50 if wanted else 25,
    derandomize=not wanted,
    deadline=None,
    database=None,
)
settings.load_profile("properties")
