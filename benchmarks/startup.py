"""What a person waits for before anything happens: `--help`, and the import of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.figures import Figure, as_ms

RUNS = 11


def figures() -> list[Figure]:
    """Of every verb's `--help` the slowest, and the import."""
    helps = measure_help_s()
    slowest = max(helps, key=lambda verb: helps[verb])
    import_s = measure_import_s()
    return [
        Figure(
            f"slowest --help (`qd {slowest}`), median of {RUNS}",
            as_ms(helps[slowest]),
            "< 150 ms",
            holds=helps[slowest] < 0.150,
        ),
        Figure("import quarterdeck", as_ms(import_s), "< 30 ms", holds=import_s < 0.030),
    ]


def measure_help_s() -> dict[str, float]:
    """Median wall seconds of `qd VERB --help` by verb; the empty verb is `qd --help`."""
    qd = str(Path(sys.executable).parent / "qd")
    listing = subprocess.run([qd, "--help"], check=True, capture_output=True, text=True).stdout
    commands = listing.split("Commands:")[1].splitlines()
    verbs = ["", *(line.split()[0] for line in commands if line.strip())]
    return {verb: _median_s([qd, *([verb] if verb else []), "--help"]) for verb in verbs}


def measure_import_s() -> float:
    """Median wall seconds that `import quarterdeck` adds to a bare interpreter."""
    bare = _median_s([sys.executable, "-c", ""])
    return max(0.0, _median_s([sys.executable, "-c", "import quarterdeck"]) - bare)


def _median_s(command: list[str]) -> float:
    seconds = []
    for _ in range(RUNS):
        began = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(perf_counter() - began)
    return median(seconds)
