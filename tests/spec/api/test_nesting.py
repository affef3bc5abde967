"""What a parser would find deep is found deep without one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from quarterdeck.api.nesting import is_too_deep


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(one) for one in value), default=0)
    return 0


TEXTS = st.text('[]{}"\\,: aü', max_size=8)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=40,
)


@given(VALUES, st.integers(0, 6), st.booleans())
def test_as_deep_as_the_parser_says(value: Any, depth_max: int, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii).encode()
    assert is_too_deep(text, depth_max) == (depth_of(value) > depth_max)


@given(st.text('[]{}"\\, a', max_size=60))
@example('"["]["[]"' + "[" * 40)
def test_what_is_no_json_is_let_through_only_where_a_parser_stops_early(text: str) -> None:
    """Whatever is let through, the parser opens no more than so many."""
    if is_too_deep(text.encode(), 3):
        return
    try:
        assert depth_of(json.loads(text)) <= 3
    except json.JSONDecodeError as error:
        opened = depth = 0
        is_text = is_escaped = False
        for character in text[: error.pos]:
            if is_escaped:
                is_escaped = False
            elif character == "\\" and is_text:
                is_escaped = True
            elif character == '"':
                is_text = not is_text
            elif not is_text and character in "[{":
                depth += 1
                opened = max(opened, depth)
            elif not is_text and character in "]}":
                depth -= 1
        assert opened <= 4
