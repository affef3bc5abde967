"""docs/jobfile.md and docs/jobfile.schema.json say what the code takes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from quarterdeck.api.jobfile_schema import job_file_schema
from quarterdeck.api.translate import to_spec
from quarterdeck.basics.errors import Refused
from quarterdeck.core.limits import LIMITS
from quarterdeck.sdk.jobfile import BYTES_MAX
from quarterdeck.sdk.jobproblems import examine
from quarterdeck.sdk.yamltree import DEPTH_MAX, VALUES_MAX
from quarterdeck.wire.v1.jobs import KEYS_NOT_YET, JobRequest

SCHEMA = job_file_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "jobfile.md").read_text(encoding="utf-8")


def rows() -> list[str]:
    """The table of keys as the schema gives it."""
    return [row for key, shape in SCHEMA["properties"].items() for row in _rows_of(key, shape)]


def _rows_of(key: str, shape: dict[str, Any]) -> list[str]:
    default = f"`{json.dumps(shape['default'], ensure_ascii=False)}`" if "default" in shape else ""
    row = f"| `{key}` | {default} | {shape['description']} |"
    inner = shape.get("properties", {})
    return [row, *(one for name, part in inner.items() for one in _rows_of(f"{key}.{name}", part))]


def is_valid(document: Any) -> bool:
    return not list(VALIDATOR.iter_errors(document))


def test_the_schema_is_one_and_the_repositorys_copy_is_it(root: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    kept = (root / "docs" / "jobfile.schema.json").read_text(encoding="utf-8")
    assert kept == json.dumps(SCHEMA, indent=2, ensure_ascii=False) + "\n", (
        "draw it again: qd schema > docs/jobfile.schema.json"
    )


def test_the_schema_has_every_key_of_a_request_and_no_other() -> None:
    assert set(SCHEMA["properties"]) == set(JobRequest.model_fields) - {"snapshot"} | {"workdir"}
    for part in ("resources", "retry", "checkpoint"):
        model: Any = JobRequest.model_fields[part].annotation
        assert set(SCHEMA["properties"][part]["properties"]) == set(model.model_fields)


def test_every_key_has_a_description_and_its_examples_are_valid() -> None:
    def look(shape: dict[str, Any]) -> None:
        for key, inner in shape.get("properties", {}).items():
            assert inner["description"].endswith("."), key
            for example in [
                *inner.get("examples", []),
                *[inner[k] for k in ("default",) if k in inner],
            ]:
                assert not list(Draft202012Validator(inner).iter_errors(example)), (key, example)
            look(inner)

    look(SCHEMA)


def test_the_page_lists_every_key_as_the_schema_has_it(page: str) -> None:
    listed = re.findall(r"^\| `[a-z_.]+` \|.*\|$", page, re.MULTILINE)
    assert listed == rows()


def test_every_example_of_the_page_is_right(page: str, tmp_path: Path) -> None:
    blocks = YAML_BLOCK.findall(page)
    assert len(blocks) >= 3
    for block in blocks:
        found = examine(block.encode(), str(tmp_path / "job.yaml"), to_spec)
        assert [fault.message for fault in found.faults] == []
        for document in YAML(typ="safe", pure=True).load_all(block):
            assert is_valid(document)


def test_the_page_names_the_keys_of_the_design_and_the_limits_in_force(page: str) -> None:
    assert all(f"`{key}`" in page for key in KEYS_NOT_YET)
    for limit in (BYTES_MAX, VALUES_MAX, DEPTH_MAX, LIMITS.array_tasks_max, LIMITS.tags_max):
        assert f"{limit:,}" in page, limit


@pytest.mark.parametrize("example", ["examples/digits/job.yaml"])
def test_the_examples_validate(root: Path, example: str) -> None:
    loaded = YAML(typ="safe", pure=True).load((root / example).read_text())
    assert is_valid(loaded)


@pytest.mark.parametrize(
    "wrong",
    [
        {}, [], "x", {"run": None}, {"run": []}, {"run": {}}, {"run": "x", "nodez": 1},
        {"run": "x", "snapshot": "0" * 64}, {"run": "x", "image": "y/z"}, {"run": "x", "nodes": 0},
        {"run": "x", "nodes": "2"}, {"run": "x", "nodes": True}, {"run": "x", "nodes": 1.5},
        {"run": "x", "name": "a b"}, {"run": "x", "name": 7}, {"run": "x", "name": "a" * 129},
        {"run": "x", "env": ["A"]}, {"run": "x", "env": {"A=B": "x"}},
        {"run": "x", "env": {"QD_A": ""}},
        {"run": "x", "env": {"A": {}}}, {"run": "x", "resources": {"gpu": True}},
        {"run": "x", "resources": {"gpu": -1}}, {"run": "x", "resources": {"gpu": "H100|:4"}},
        {"run": "x", "nodes": "many"}, {"run": "x", "topology": {"require": "aisle"}},
        {"run": "x", "topology": "rack"},
        {"run": "x", "resources": {"gpus": 1}}, {"run": "x", "resources": {"memory": 64}},
        {"run": "x", "resources": {"memory": "64"}}, {"run": "x", "time_limit": 90},
        {"run": "x", "time_limit": "90"}, {"run": "x", "time_limit": "soon"},
        {"run": "x", "checkpoint": {"signal": "KILL"}}, {"run": "x", "checkpoint": {"path": ""}},
        {"run": "x", "retry": {"on": ["completed"]}}, {"run": "x", "retry": {"on": "node_failure"}},
        {"run": "x", "retry": {"limit": 101}}, {"run": "x", "priority": "urgent"},
        {"run": "x", "needs": "a"}, {"run": "x", "needs": ["a", "a"]}, {"run": "x", "array": "all"},
        {"run": "x", "array": "-1"}, {"run": "x", "tags": {"a b": "c"}},
        {"run": "x", "tags": ["a"]},
        {"run": "x", "hold": 1}, {"run": "x", "hold": "yes"}, {"run": "x", "workdir": ""},
    ],
)  # fmt: skip
def test_what_is_wrong_in_form_does_not_validate(wrong: Any) -> None:
    assert not is_valid(wrong)


TEXT = st.text(max_size=8)
QUANTITY = st.from_regex(r"[0-9.]{1,4} ?([kKMG]i?B|[dhms]|B)?([0-9]{0,2}[ms])?", fullmatch=True)
ARRAY = st.from_regex(
    r"[0-9]{1,2}(-[0-9]{1,3}(:[0-9])?)?(,[0-9]{1,2})?(%[0-9]{1,2})?", fullmatch=True
)
GPU = st.integers(-1, 9) | st.from_regex(r"([A-Z][0-9 -]{1,4})?(:?[0-9]{1,2})?", fullmatch=True)
SIGNAL = st.sampled_from(["INT", "X"])
NAME = st.from_regex(r"[A-Za-z0-9._ -]{1,6}", fullmatch=True)


ONE_KEY: dict[str, st.SearchStrategy[Any]] = {
    "run": TEXT | st.lists(TEXT, max_size=2),
    "name": NAME,
    "team": NAME,
    "nodes": st.integers(-1, 5),
    "array": ARRAY | TEXT,
    "time_limit": QUANTITY | TEXT | st.just("1-00:00:00"),
    "env": st.dictionaries(NAME, TEXT, max_size=2),
    "tags": st.dictionaries(NAME, TEXT, max_size=2),
    "resources.gpu": GPU,
    "resources.cpu": st.integers(0, 3),
    "resources.memory": QUANTITY | TEXT,
    "checkpoint.grace": QUANTITY,
    "checkpoint.path": TEXT,
    "checkpoint.signal": SIGNAL,
    "retry.limit": st.integers(-1, 3),
    "retry.backoff": QUANTITY,
}


@pytest.mark.parametrize("key", ONE_KEY)
@settings(max_examples=150, deadline=None, derandomize=bool(os.environ.get("CI")))
@given(data=st.data())
def test_whatever_the_server_takes_validates(key: str, data: st.DataObject) -> None:
    value = data.draw(ONE_KEY[key])
    outer, _, inner = key.partition(".")
    document = {"run": "x", outer: {inner: value} if inner else value}
    try:
        to_spec(JobRequest.model_validate(document))
    except Refused:
        return
    assert is_valid(document), [error.message for error in VALIDATOR.iter_errors(document)]
