"""A job file says where it is wrong, and keeps what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.sdk.jobfile import parse_job_file, read_job_file
from quarterdeck.wire.v1.jobs import KEYS_NOT_YET

FULL = """\
name: digits
team: vision
workdir: .
run: python train.py --epochs 20
env: {LR: 0.10, FLAG: yes, ON: on, DAY: 2026-11-23, OCTAL: 010, BIG: 1_000, EMPTY: ""}
nodes: 2
ranks_per_node: 4
resources: {gpu: "A100:8", cpu: 16, memory: 64GiB}
priority: high
retry: {limit: 2, on: [node_failure]}
checkpoint: {signal: INT, grace: 60s}
site: local
"""


def refused(text: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        parse_job_file(text.encode(), "digits.yaml")
    return caught.value


def test_every_key_that_works_is_read() -> None:
    read = parse_job_file(FULL.encode(), "digits.yaml")
    request = read.request
    assert read.workdir == "."
    assert (request.name, request.team, request.site) == ("digits", "vision", "local")
    assert request.run == "python train.py --epochs 20"
    assert (request.nodes, request.ranks_per_node, request.priority) == (2, 4, "high")
    assert request.resources.model_dump() == {"gpu": "A100:8", "cpu": 16, "memory": "64GiB"}
    assert request.retry.model_dump() == {"limit": 2, "on": ["node_failure"], "backoff": "5s"}
    assert request.checkpoint.model_dump() == {"signal": "INT", "grace": "60s", "path": None}


def test_variables_keep_the_text_that_was_written() -> None:
    assert parse_job_file(FULL.encode(), "digits.yaml").request.env == {
        "LR": "0.10",
        "FLAG": "yes",
        "ON": "on",
        "DAY": "2026-11-23",
        "OCTAL": "010",
        "BIG": "1_000",
        "EMPTY": "",
    }


def test_arguments_keep_the_text_that_was_written() -> None:
    text = "run: [python, train.py, --epochs, 20, --lr, 0.10, --flag, true]\n"
    read = parse_job_file(text.encode(), "digits.yaml")
    assert read.request.run == text.removeprefix("run: [").removesuffix("]\n").split(", ")


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("run: a\nresources:\n  gpu: []\n", "3:3", "resources.gpu"),
        ("run: a\nnodes: many\n", "2:1", "nodes"),
        ("run: a\nname: 7\n", "2:1", "name"),
        ("run: a\nnodes: 1\nnodes: 2\n", "3:1", "nodes is there twice"),
        ("run: a\nenv:\n  A: 1\n  A: 2\n", "4:3", "A is there twice"),
        ("run: a\npriority: urgent\n", "2:1", "priority"),
        ("run: [a, [b]]\n", "1:10", "run"),
        ("run: a\nenv: {A: {B: c}}\n", "2:7", "env.A"),
        ("run: a\nenv: [A]\n", "2:1", "env"),
        ("run: a\nresource: {}\n", "2:1", "no key resource"),
        ("run: a\nsnapshot: x\n", "2:1", "no key snapshot"),
        ("run: a\ncheckpoint: {grase: 1s}\n", "2:14", "no key grase"),
        ("name: a\n", "1:1", "run is missing"),
        ("- run\n", "1:1", "not a mapping"),
        ("", "1:1", "not a mapping"),
        ("run: a\n  bad: b\n", "2:6", ""),
        ("run: 'a\n", "2:1", ""),
        ("run: a\n---\nrun: b\n", "3:1", "a second job begins here"),
        ("run: !!python/object:os.system x\n", "1:6", "tag"),
        ("run: a\nenv: {A: !secret b}\n", "2:10", "tag"),
        ("run: !!python/tuple [a]\n", "1:6", "tag"),
        ("run: a\n!!python/name:os.system name: b\n", "2:1", "tag"),
        ("run: a\nenv: !!set {A, B}\n", "2:6", "tag"),
        ("run:\n", "1:1", "run has no value"),
        ("run: a\nsite: null\n", "2:1", "site has no value"),
        ("run: a\nenv: &e {A: b}\n", "2:6", "anchors"),
        ("run: a\nenv: {A: &x 1, B: *x}\n", "2:10", "anchors"),
        ("run: a\nworkdir: [x]\n", "2:1", "workdir"),
        ("run: \x01\n", "1:6", "not YAML"),
        ("run: a\nnodes: " + "9" * 5000 + "\n", "2:1", "nodes"),
        ("run: " + "[" * 5000 + "\n", "", ""),
    ],
)
def test_an_error_names_line_and_column(text: str, place: str, told: str) -> None:
    error = refused(text)
    assert error.message.startswith(f"digits.yaml:{place}")
    assert told in error.message


def test_a_misspelt_key_is_recognized() -> None:
    assert "did you mean resources" in refused("run: a\nresource: {}\n").hint
    assert "did you mean grace" in refused("run: a\ncheckpoint: {grase: 1s}\n").hint


@pytest.mark.parametrize("key", sorted(KEYS_NOT_YET))
def test_a_key_of_the_design_is_refused_and_never_ignored(key: str) -> None:
    error = refused(f"run: a\n{key}: x\n")
    assert error.message == f"digits.yaml:2:1: {key} is not available on this server yet"
    assert error.code == "not_available"


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert "digits.yaml:1:1" in refused("\n".join(lines)).message


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(Invalid, match="larger than 1048576 bytes"):
        read_job_file(path)


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(Invalid, match="UTF-8"):
        read_job_file(tmp_path / "latin.yaml")
    with pytest.raises(Invalid, match="No such file"):
        read_job_file(tmp_path / "missing.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse_job_file(b"\xef\xbb\xbfrun: a\n", "digits.yaml").request.run == "a"


def test_the_servers_refusal_is_placed_in_the_file() -> None:
    read = parse_job_file(FULL.encode(), "digits.yaml")
    error = read.locate(Invalid("resources.gpu is 'A100:8'", field="resources.gpu", code="odd"))
    assert error.message == "digits.yaml:8:13: resources.gpu is 'A100:8'"
    assert error.code == "odd"
    elsewhere = read.locate(Invalid("it is too much", field=""))
    assert elsewhere.message == "digits.yaml:1:1: it is too much"
