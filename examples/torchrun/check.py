"""Hold what the ranks of a job left against one process that trains on all the data.

qd results ID -o out && python check.py out
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from train import SAMPLES, train

TOLERANCE = 1e-5


def main(folder: str) -> int:
    """0 when the ranks saw disjoint parts of all the data and took the steps of one process."""
    told = [json.loads(path.read_text()) for path in sorted(Path(folder).rglob("rank-*.json"))]
    world_size = told[0]["world_size"] if told else 0
    if not told or sorted(one["rank"] for one in told) != list(range(world_size)):
        print(f"{folder} holds the results of {len(told)} ranks, not of {world_size or 'any'}")
        return 1
    seen = [sample for one in told for sample in one["seen"]]
    if sorted(seen) != list(range(SAMPLES)):
        print(f"{len(seen)} samples were seen, {len(set(seen))} of them different, of {SAMPLES}")
        return 1
    parts = ", ".join(str(len(one["seen"])) for one in told)
    print(f"{world_size} ranks saw disjoint parts of {SAMPLES} samples: {parts}")
    expected, _ = train(len(told[0]["losses"]), 0, 1, torch.device("cpu"), sync=False)
    worst = max(
        abs(loss - right)
        for one in told
        for loss, right in zip(one["losses"], expected, strict=True)
    )
    print(f"largest difference from one process: {worst:.2e} (allowed: {TOLERANCE:.0e})")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
