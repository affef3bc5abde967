"""The runner reads and writes JSON as Python's own module does, whatever it is given."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quarterdeck.runner import jsons

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
PIECES = st.sampled_from(
    [
        *(
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"',
            '"a"',
            '"a":1',
            "1",
            "-",
            "1e9",
            "0.5",
            "null",
            "true",
        ),
        *(" ", "\n", "\t", "\ufeff", "\x00", "\\", "\\u00e9", '"\\ud800"', "NaN", "-Infinity", "'"),
        *("é", "\u2028", "\x1f", '"\x1f"', "//", "nul", "9" * 30),
    ]
)


@given(VALUES)
def test_it_writes_as_json_does_and_reads_it_back(value: Any) -> None:
    text = jsons.format_json(value)
    assert text == json.dumps(value)
    assert jsons.parse_json(f" {text}\n") == value


@given(st.lists(PIECES, max_size=12).map("".join))
@example(" {")
@example(" [1,]\n")
def test_what_it_reads_or_refuses_is_what_json_does(text: str) -> None:
    assert _outcome(jsons.parse_json, text) == _outcome(json.loads, text)


def _outcome(parse: Callable[[str], Any], text: str) -> str:
    """As text, because NaN equals nothing."""
    try:
        return repr(parse(text))
    except json.JSONDecodeError as refusal:
        return f"refused: {refusal}"


def test_numbers_that_json_does_not_have_are_written_as_python_does() -> None:
    assert jsons.format_json([math.inf, math.nan]) == json.dumps([math.inf, math.nan])


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        jsons.format_json({"a": {1, 2}})


def test_a_version_of_python_that_nobody_has_tried_uses_its_own_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jsons, "TRIED", (3, 8))
    assert jsons._load() == (None, None)
    monkeypatch.setattr(jsons, "_scan", None)
    monkeypatch.setattr(jsons, "_encode", None)
    assert jsons.parse_json(jsons.format_json({"a": [1, None]})) == {"a": [1, None]}
