"""docs/howto/sbatch-scripts.md says what becomes of every option."""

from __future__ import annotations

import re
from pathlib import Path

from quarterdeck.batch.tools import TOOLS
from quarterdeck.batch.variables import script_variables
from quarterdeck.sdk.sbatch.directives import read_words
from quarterdeck.sdk.sbatch.options import OPTIONS
from quarterdeck.sdk.sbatch.request import Around, to_batch


def test_every_option_is_in_the_table_of_its_fate(root: Path) -> None:
    page = (root / "docs" / "howto" / "sbatch-scripts.md").read_text(encoding="utf-8")
    _, mapped, warned, refused = page.partition("## What the script finds")[0].split("| option |")
    for option in OPTIONS:
        part, told = mapped, ""
        if option.warning:
            part, told = warned, option.warning
        elif option.refusal:
            part, told = refused, option.refusal
        rows = [line for line in part.splitlines() if f"`--{option.name}`" in line.split(" | ")[0]]
        assert len(rows) == 1, option.name
        assert told[1:] in rows[0]


def test_every_variable_is_named(root: Path) -> None:
    page = (root / "docs" / "howto" / "sbatch-scripts.md").read_text(encoding="utf-8")
    words = ["-a=1-3", "-A=t", "-p=p", "-q=q", "-t=5", "--mem=1", "--ntasks-per-node=1", "-G=1"]
    facts = to_batch([], read_words([*words, "--gpus-per-node=1"]), Around("job.sh")).facts
    facts["given"]["gpus-per-task"] = "1"
    runner = {"QD_JOB_ID": "j000000001", "QD_TASK_INDEX": "1", "CUDA_VISIBLE_DEVICES": "0"}
    found = {one for one in script_variables(facts, runner, ["n1"], "/", 1) if "SLURM" in one}
    named = set(re.findall(r"`(SLURMD?_[A-Z_]+)`", page))
    assert found <= named
    assert {f"`{tool}`" for tool in TOOLS} <= set(re.findall("`[a-z]+`", page))
