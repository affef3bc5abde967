"""The best of a sweep, from what its tasks left.

qd results ID -o out && python best.py out
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: str) -> int:
    """Print the tasks from best to worst."""
    found = [json.loads(path.read_text()) for path in Path(folder).rglob("outcome.json")]
    for outcome in sorted(found, key=lambda outcome: outcome["loss"])[:10]:
        print(f"task {outcome['task']:3}  rate {outcome['rate']:.3f}  loss {outcome['loss']:.3g}")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
