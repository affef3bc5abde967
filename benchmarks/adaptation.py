"""How long trainings take whose batch size changes while they run.

Two ways of changing it, as Shockwave's simulator has them (uw-mad-dash/shockwave,
scheduler/utils.py): *gns* doubles the batch at certain epochs, which depend on the model, the
first batch size and the GPUs, as the noise of its gradients allows; *accordion* trains with the
largest batch except in epochs that are critical, and in the first 30 % of all.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final

from benchmarks.traces import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    Speeds = Mapping[tuple[str, int, int], float]

SAMPLES: Final = {
    "ResNet-18": 50_000,
    "ResNet-50": 100_000,
    "Transformer": 10_000,
    "LM": 59_675,
    "Recommendation": 117_907,
}
"""Of an epoch."""
BATCH_MOST: Final = {"ResNet-18": 256, "ResNet-50": 128, "LM": 80, "Recommendation": 8192}
"""Those of which accordion changes the batch."""
FIRST_SHARE: Final = 0.3
DOUBLED_AT: Final = {
    ("ResNet-18", 16): ((31, 41, 51, 71), (21, 31, 91, 111), (11, 21, 81, 91)),
    ("ResNet-18", 32): ((21, 31, 51), (11, 21, 41), (21, 31, 61)),
    ("ResNet-18", 64): ((11, 31), (21, 41), (11, 61)),
    ("ResNet-18", 128): ((11,), (41,), (11,)),
    ("ResNet-50", 32): ((), (101, 111), (131, 221)),
    ("ResNet-50", 64): ((101,), (81,), (191,)),
    ("LM", 5): ((31, 41, 61, 71), (31, 51, 61, 71), (11, 31, 71, 91)),
    ("LM", 10): ((11, 21, 41), (11, 31, 41), (11, 31, 61)),
    ("LM", 20): ((11, 41), (31, 41), (11, 61)),
    ("LM", 40): ((11,), (11,), (61,)),
    ("Recommendation", 512): ((21, 41, 71, 91), (), ()),
    ("Recommendation", 1024): ((21, 51, 91), (), ()),
    ("Recommendation", 2048): ((21, 41), (), ()),
    ("Recommendation", 4096): ((41,), (), ()),
}
"""Epochs at which gns doubles the batch on 1, 2 and 4 GPUs, by the model and its first batch."""


def read_speeds() -> Speeds:
    """Iterations a second on V100, by model, batch and GPUs, of a job alone."""
    found = {}
    for name, by_mate in json.loads(read_text("shockwave/tacc_throughputs.json"))["v100"].items():
        if match := re.fullmatch(r"\('(\S+) \(batch size (\d+)\)', (\d+)\)", name):
            model, batch, gpus = match.groups()
            found[model, int(batch), int(gpus)] = float(by_mate["null"])
    return found


def duration_s(mode: str, model: str, batch: int, gpus: int, steps: int, speeds: Speeds) -> float:
    """Of so many steps of the first batch size, on so many GPUs that nobody else uses."""
    samples = SAMPLES[model]
    epochs = math.ceil(steps / math.ceil(samples / batch))
    batches = (batch_at(mode, model, batch, gpus, epoch, epochs) for epoch in range(epochs))
    return sum(samples / one / speeds[model, one, gpus] for one in batches)


def batch_at(mode: str, model: str, batch: int, gpus: int, epoch: int, epochs: int) -> int:
    """The batch size of an epoch, of so many."""
    if mode == "gns":
        doubled_at = DOUBLED_AT.get((model, batch), ((), (), ()))[gpus.bit_length() - 1]
        return batch << sum(at <= epoch for at in doubled_at)
    is_free = epoch > FIRST_SHARE * epochs and not _is_critical(model, batch, epoch)
    return BATCH_MOST.get(model, batch) if mode == "accordion" and is_free else batch


def _is_critical(model: str, batch: int, epoch: int) -> bool:
    if model == "ResNet-18":
        return epoch < (20 if batch == 256 else 10) or epoch in (*range(150, 160), *range(250, 260))
    if model == "ResNet-50":
        return epoch < 600 and epoch % 30 < 10
    if model == "Recommendation":
        first = {512: 30, 1024: 30, 2048: 40}.get(batch, 10)
        return epoch < first or epoch in (*range(60, 70), *range(80, 90))
    return epoch < 10
