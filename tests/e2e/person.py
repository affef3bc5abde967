"""Somebody at a terminal of their own, with a token and a folder that nobody else has."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.deck import QD

LONG = ("--workdir", "none", "--", "sh", "-c", "echo here I am; exec sleep 600")


@dataclass(slots=True)
class Person:
    """Somebody at a terminal of their own."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the test's, nor of anybody else's."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith("QD_")}
        own = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config")}
        return {**clean, **own, **more}

    def types(
        self, *words: str, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """A `qd` command to its end."""
        return subprocess.run(
            [*QD, *words],
            check=False,
            env=self.environment(**variables),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def may(self, *words: str, stdin: str = "", **variables: str) -> str:
        """What it prints; it has to be allowed."""
        done = self.types(*words, stdin=stdin, **variables)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()

    def may_not(self, *words: str, stdin: str = "", **variables: str) -> str:
        """What it is told; it has to be refused, and not because of how it was typed."""
        done = self.types(*words, stdin=stdin, **variables)
        # `run` keeps its codes apart from those of the job.
        code = 125 if words[0] == "run" else 3
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert done.stderr.startswith("error: ")
        assert done.stdout == ""
        return done.stderr

    def sees(self, *words: str) -> Any:
        """What it prints with `-o json`."""
        return json.loads(self.may(*words, "-o", "json"))

    def submits(self, *options: str) -> str:
        """A job that goes on until it is stopped; its id."""
        return self.may("run", "--detach", "-q", *options, *LONG)
