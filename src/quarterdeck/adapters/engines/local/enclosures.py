"""Whether this machine can give jobs an image, or a file system of their own without one.

The runner is asked to try it, because it is the runner that will do it, with the same code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from quarterdeck.adapters.engines.local.launcher import RUNNER

TRIAL_S_MAX: Final = 120.0


@dataclass(frozen=True, slots=True)
class Enclosure:
    """Whether it `works`; `text` says how, or why not and what to do."""

    works: bool
    text: str


def describe_enclosures() -> tuple[Enclosure, Enclosure]:
    """Of images and of `isolate`, tried now. Never raises: what cannot be tried does not work."""
    command = [sys.executable, "-I", "-S", str(RUNNER), "enclosures"]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=TRIAL_S_MAX
        )
        found = json.loads(done.stdout)
        return Enclosure(**found["image"]), Enclosure(**found["isolate"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        failed = Enclosure(works=False, text=f"it could not be tried: {error}")
        return failed, failed
