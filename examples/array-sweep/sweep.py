"""One task of a sweep: train with the learning rate that belongs to this task's index."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

RATES = [0.001 * 2**power for power in range(10)]
STEPS = 200


def loss_after(rate: float) -> float:
    """Gradient descent on a narrow valley: too small a rate crawls, too large a one flies off."""
    x, y = 3.0, 2.0
    for _ in range(STEPS):
        x, y = x - rate * 2 * x, y - rate * 8 * y
        if abs(x) > 1e6 or abs(y) > 1e6:
            return float("inf")
    return x * x + 4 * y * y


def main() -> None:
    """Train one, write down how it went."""
    index = int(os.environ.get("QD_TASK_INDEX", "0"))
    rate = RATES[index % len(RATES)]
    noise = random.Random(index).uniform(0.0, 1e-6)
    outcome = {"task": index, "rate": rate, "loss": loss_after(rate) + noise}
    print(json.dumps(outcome))
    folder = Path(os.environ.get("QD_RESULTS", "."))
    (folder / "outcome.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    main()
