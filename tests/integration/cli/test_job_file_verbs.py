"""`qd init`, `validate` and `schema`: a job file from its first line to its last check."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from quarterdeck.api.jobfile_schema import job_file_schema
from quarterdeck.api.translate import to_spec
from quarterdeck.cli.verbs.init import TEMPLATES, read_template
from quarterdeck.sdk.jobproblems import examine
from tests.integration.bad_input.typing_qd import Typed, assert_refused
from tests.integration.bad_input.typing_qd import qd as type_qd


def qd(*arguments: str | Path) -> Typed:
    return type_qd(*map(str, arguments))


def switched_on(text: str) -> str:
    """The template with every key that it offers in use; of two that are one key, the last."""
    on = re.sub(r"^( *)#((?:  )*)(?=[A-Za-z_]+:( |$))", r"\1\2", text, flags=re.MULTILINE)
    return re.sub(r"^run: \[.*\n", "", on, flags=re.MULTILINE)


def keys_of(schema: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for key, shape in schema["properties"].items():
        found.add(prefix + key)
        if "properties" in shape:
            found |= keys_of(shape, f"{prefix}{key}.")
    return found


def faults_of(text: str, name: str = "job.yaml") -> list[str]:
    return [fault.message for fault in examine(text.encode(), name, to_spec).faults]


def keys_in(value: dict[str, Any]) -> set[str]:
    inner = {
        f"{key}.{one}" for key, part in value.items() if isinstance(part, dict) for one in part
    }
    return set(value) | inner


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_written_and_passes_as_it_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    assert qd("init", "-t", name, path).code == 0
    assert path.read_text() == read_template(name)
    done = qd("validate", path)
    assert (done.code, done.err) == (0, "")
    assert "no problems" in done.out


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_key_that_a_template_offers_can_be_switched_on(name: str) -> None:
    text = switched_on(read_template(name))
    assert faults_of(text, str(Path.cwd() / "job.yaml")) == []
    validator = Draft202012Validator(job_file_schema())
    for document in YAML(typ="safe", pure=True).load_all(text):
        assert list(validator.iter_errors(document)) == []


def test_the_first_template_has_every_key_there_is() -> None:
    loaded = YAML(typ="safe", pure=True).load(switched_on(read_template("batch")))
    assert keys_of(job_file_schema()) <= keys_in(loaded)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_key_of_a_template_is_explained(name: str) -> None:
    """The line above a key is a comment; `name`, `run` and `workdir` are told once."""
    lines = read_template(name).splitlines()
    silent = []
    for number, line in enumerate(lines):
        key = re.match(r"^ *#? *([a-z_]+):( |$)", line)
        if key is None or key[1] in ("name", "run", "workdir", "yaml-language-server"):
            continue
        if re.match(r"^ *# [^ ]", lines[number - 1]) is None and key[1] not in (
            "project",
            "experiment",
        ):
            silent.append(line)
    assert silent == []


def test_init_never_writes_over_a_file_unless_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("mine")
    assert_refused(qd("init", path), "is there already", "--force")
    assert path.read_text() == "mine"
    assert qd("init", "--force", path).code == 0
    assert path.read_text() == read_template("batch")
    assert_refused(qd("init", tmp_path / "no" / "job.yaml"), "No such file")
    assert_refused(qd("init", tmp_path), "there already")


def test_init_prints_without_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert qd("init", "--print", "-t", "array").out == read_template("array")
    assert list(tmp_path.iterdir()) == []
    assert qd("init").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["job.yaml"]


def test_the_templates_are_in_the_wheel(tmp_path: Path, root: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=root,
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for template in TEMPLATES:
        assert f"quarterdeck/cli/templates/{template}.yaml" in names


WRONG = """\
name: a b
run: x
env: {A=B: x, OK: 1, QD_X: 1}
nodes: 0
nodez: 1
resources: {gpu: "A100:x", cpu: true, memory: 64}
retry: {limit: 500, on: [nod, node_failure, completed]}
---
name: second
run: x
needs: [thrid]
workdir: nowhere
---
name: third
run: x
time_limit: 90
"""


def test_validate_reports_every_problem_and_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(WRONG)
    done = qd("validate", "-o", "json", path)
    assert done.code == 3
    told = json.loads(done.out)
    assert told["valid"] is False
    (file,) = told["files"]
    assert [(one["line"], one["column"], one["field"]) for one in file["problems"]] == [
        (1, 1, "name"),
        (3, 7, "env.A=B"),
        (3, 22, "env.QD_X"),
        (4, 1, "nodes"),
        (5, 1, "nodez"),
        (6, 13, "resources.gpu"),
        (6, 28, "resources.cpu"),
        (6, 39, "resources.memory"),
        (7, 9, "retry.limit"),
        (7, 26, "retry.on.0"),
        (7, 45, "retry.on.2"),
        (11, 9, "needs"),
        (12, 1, "workdir"),
        (16, 1, "time_limit"),
    ]
    assert all(one["hint"] and one["message"] and one["code"] for one in file["problems"])
    assert "did you mean third?" in file["problems"][11]["hint"]


def test_validate_of_right_files_is_quiet_and_0(tmp_path: Path) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("run: x\nworkdir: .\n")
    two.write_text("run: x\n---\nrun: y\n")
    done = qd("validate", one, two)
    assert done.code == 0
    assert done.out == f"{one}: 1 job, no problems\n{two}: 2 jobs, no problems\n"
    told = json.loads(qd("validate", "-o", "json", one, two).out)
    assert [file["jobs"] for file in told["files"]] == [["job"], ["job", "job"]]
    one.write_text("nodes: 0\n")
    assert qd("validate", one, two).code == 3


def test_validate_says_when_no_server_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QD_URL", raising=False)
    monkeypatch.setenv("QD_HOME", str(tmp_path))
    path = tmp_path / "job.yaml"
    path.write_text("run: x\n")
    assert qd("validate", path).code == 0
    assert_refused(qd("validate", "--server", path), "no server is running", code=4)


def test_schema_prints_what_the_repository_holds(root: Path) -> None:
    done = qd("schema")
    assert done.code == 0
    assert json.loads(done.out) == json.loads((root / "docs" / "jobfile.schema.json").read_text())
