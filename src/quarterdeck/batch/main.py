"""Where a batch job begins, on each of its nodes."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import NoReturn

FOLDER = ".quarterdeck"


def main() -> NoReturn:
    """Run the script, or be a node for its steps; end as the script ended."""
    root = os.getcwd()
    folder = os.path.join(root, FOLDER)
    if os.environ["QD_NODE_RANK"] != "0":
        from .others import run_other

        sys.exit(run_other(root))
    from .first import First

    with open(os.path.join(folder, "job.json")) as stream:
        facts = json.load(stream)
    code = First(root, folder, facts, sys.argv[1:]).run()
    sys.stdout.flush()
    sys.stderr.flush()
    if code < 0:
        # The job's end says by which signal the script ended.
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)  # threads that still read are let go
