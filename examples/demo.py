"""One training job from the queue to its result, by the commands that a person would type.

Starts a server of its own in a temporary home, fills the machine, submits examples/digits behind
it, looks at the queue from every side, frees the machine, follows the log, fetches the results,
and stops everything it started. What the job made is kept in .qd-demo/.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
KEPT = ROOT / ".qd-demo"
JOB_FILE = "examples/digits/job.yaml"
COMMAND_LIMIT_S = 120
START_LIMIT_S = 30


class Terminal:
    """Types `qd` commands against one home and shows them with what they answer."""

    def __init__(self, home: Path) -> None:
        # A server or a token of the caller must not be met by accident.
        self._env = {name: value for name, value in os.environ.items() if name[:3] != "QD_"}
        self._env["QD_HOME"] = str(home)
        # Jobs find the interpreter of this environment when they say `python`.
        self._env["PATH"] = f"{BIN}{os.pathsep}{self._env.get('PATH', os.defpath)}"

    def say(self, *words: str, note: str = "") -> None:
        """Show the command; what it prints goes straight to the screen."""
        self._show(words, note)
        self._run(words, is_shown=True)

    def ask(self, *words: str, note: str = "", is_shown: bool = True) -> Any:  # noqa: ANN401
        """The command's JSON answer."""
        if is_shown:
            self._show(words, note)
        answer = self._run(words, is_shown=False)
        if is_shown:
            print(answer, end="", flush=True)
        return json.loads(answer)

    def stop(self) -> None:
        """Down, whatever state we are in; nothing to stop is fine."""
        words = ("down", "--stop-jobs")
        self._show(words, "jobs included")
        subprocess.run(
            [BIN / "qd", *words], env=self._env, cwd=ROOT, timeout=COMMAND_LIMIT_S, check=False
        )

    def _show(self, words: tuple[str, ...], note: str) -> None:
        print(f"\n$ qd {shlex.join(words)}{'   # ' + note if note else ''}", flush=True)

    def _run(self, words: tuple[str, ...], *, is_shown: bool) -> str:
        done = subprocess.run(
            [BIN / "qd", *words],
            env=self._env,
            cwd=ROOT,
            stdout=None if is_shown else subprocess.PIPE,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"demo: `qd {shlex.join(words)}` ended with {done.returncode}")
        return done.stdout or ""


def count_real_gpus() -> int:
    """How many GPUs the driver lists; none where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    done = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())


def show_training(qd: Terminal, nodes: int, gpus_per_node: int) -> str:
    """Queue, plan, explanation, log, record; returns the id of the training job."""
    qd.say("node")
    fill = ["run", "--nodes", str(nodes), "--gpus", str(gpus_per_node), "--detach", "-o", "json"]
    filler = qd.ask(*fill, "--", "sleep", "600", note="somebody else takes every GPU")["id"]
    wait_until_running(qd, filler)

    qd.say("plan", JOB_FILE, note="when would mine start?")
    digits = str(qd.ask("submit", JOB_FILE, "-o", "json")["id"])
    qd.say("ps")
    qd.say("explain", digits, note="why does it wait?")

    qd.say("cancel", filler, note="the other one makes room")
    qd.say("logs", digits, "-f")
    qd.say("wait", digits)
    qd.say("show", digits)
    return digits


def wait_until_running(qd: Terminal, job_id: str) -> None:
    """Until the job holds its devices and runs."""
    deadline = time.monotonic() + START_LIMIT_S
    while (state := qd.ask("show", job_id, "-o", "json", is_shown=False)["state"]) != "running":
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: {job_id} is {state} after {START_LIMIT_S} s")
        time.sleep(0.1)


def fetch_accuracy(qd: Terminal, job_id: str) -> float:
    """Download what the job left, and read the accuracy it reached."""
    qd.say("results", job_id)
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir()
    qd.say("results", job_id, "-o", KEPT.name)
    (metrics,) = KEPT.rglob("metrics.json")
    return float(json.loads(metrics.read_text())["accuracy"])


def main() -> None:
    gpus = count_real_gpus()
    pretend = [] if gpus else ["--pretend", "dgx-a100:2"]
    nodes, gpus_per_node = (1, gpus) if gpus else (2, 8)
    with tempfile.TemporaryDirectory(prefix="qd-demo-") as folder:
        home = Path(folder) / "home"
        qd = Terminal(home)
        try:
            qd.say(
                "up", "--home", str(home), "--port", "0", *pretend, "--detach",
                note="real GPUs" if gpus else "no GPU here: two imaginary DGX nodes",
            )  # fmt: skip
            digits = show_training(qd, nodes, gpus_per_node)
            accuracy = fetch_accuracy(qd, digits)
        finally:
            qd.stop()
    print(f"\nmodel, metrics and confusion matrix: {KEPT.name}/")
    print(f"accuracy: {accuracy:.3f}")


if __name__ == "__main__":
    main()
