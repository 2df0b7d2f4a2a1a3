"""One thread a process: on a busy machine torch's threads wait for each other, at ten times the cost."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
