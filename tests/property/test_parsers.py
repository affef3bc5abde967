"""Whatever is written, a parser answers or says what is wrong with it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import format_id, is_job_id
from quarterdeck.basics.quantities import (
    BYTES_MAX,
    SPAN_S_MAX,
    format_bytes,
    parse_bytes,
    parse_span_s,
)
from quarterdeck.core.jobs.array import Array, parse_array
from quarterdeck.core.jobs.manifest import Manifest, ManifestFile, parse_manifest
from quarterdeck.core.jobs.spec import JobSpec

ANY_TEXT = st.text(st.characters(), max_size=40)  # lone surrogates included
NEARLY_A_SIZE = st.from_regex(r"[0-9.]{0,20} ?[kKmMgGtT]?i?[bB]?", fullmatch=True)
NEARLY_A_SPAN = st.from_regex(r"([0-9.]{0,14}[dhmsw :-]?){0,4}", fullmatch=True)
DIGEST = "ab" * 32
PATHS = st.lists(
    st.text(st.sampled_from("ab/.\0\udc80\ud800é"), max_size=6), max_size=4, unique=True
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "path": JSON_VALUES | st.sampled_from(("a", "a/b", "../a")),
        "mode": JSON_VALUES,
        "size": JSON_VALUES,
        "digest": JSON_VALUES,
        "target": JSON_VALUES | st.sampled_from(("x", "..", "/x")),
    },
)


@settings(max_examples=300)
@given(ANY_TEXT | NEARLY_A_SIZE)
@example("9" * 18 + "TiB")
def test_a_size_is_within_its_bounds_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert 0 < parse_bytes(text, field="memory") <= BYTES_MAX


@settings(max_examples=300)
@given(ANY_TEXT | NEARLY_A_SPAN)
@example("9" * 12 + "d")
def test_a_duration_is_within_its_bounds_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert 0 <= parse_span_s(text, field="grace") <= SPAN_S_MAX


@settings(max_examples=200)
@given(st.integers(1, 2**50))
def test_a_size_in_bytes_reads_back_to_the_byte_and_its_short_form_nearly(size: int) -> None:
    assert parse_bytes(f"{size}B", field="memory") == size
    assert abs(parse_bytes(format_bytes(size), field="memory") - size) <= 1 + size * 0.0006


@settings(max_examples=200)
@given(
    ANY_TEXT
    | st.binary(max_size=40)
    | JSON_VALUES
    | st.builds(lambda e: {"files": e}, st.lists(ENTRIES, max_size=3))
)
@example({"files": [{"path": "a", "target": "x", "mode": 0}]})
def test_a_manifest_is_canonical_or_refused(content: Any) -> None:
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    elif not isinstance(content, bytes):
        content = json.dumps(content).encode()
    with suppress(Invalid):
        manifest = parse_manifest(content)
        assert parse_manifest(manifest.to_bytes()) == manifest


@settings(max_examples=200)
@given(PATHS)
def test_no_accepted_path_leaves_its_folder(paths: list[str]) -> None:
    with suppress(Invalid):
        manifest = Manifest(tuple(ManifestFile(path, digest=DIGEST) for path in sorted(paths)))
        for entry in manifest.files:
            assert not entry.path.startswith("/")
            assert not {"", ".", ".."} & set(entry.path.split("/"))
        assert parse_manifest(manifest.to_bytes()) == manifest


@settings(max_examples=200)
@given(
    st.lists(ANY_TEXT, max_size=3),
    ANY_TEXT,
    st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=3),
    st.none() | ANY_TEXT,
)
def test_a_spec_is_right_or_refused(
    command: list[str], name: str, env: list[tuple[str, str]], snapshot: str | None
) -> None:
    with suppress(Invalid):
        spec = JobSpec(tuple(command), name=name, env=tuple(env), snapshot=snapshot)
        assert all("\0" not in part for part in spec.command)


@settings(max_examples=100)
@given(st.integers(0, 2**45 - 1))
def test_every_number_is_an_id_and_no_two_are_the_same(number: int) -> None:
    assert is_job_id(format_id("j", number))
    assert format_id("j", number) != format_id("j", (number + 1) % 2**45)


@st.composite
def arrays(draw: st.DrawFn) -> str:
    """Texts of ranges that lie behind each other, so that no index comes twice."""
    parts, start = [], 0
    for _ in range(draw(st.integers(1, 5))):
        first = start + draw(st.integers(0, 20))
        last = first + draw(st.integers(0, 20))
        step = draw(st.integers(1, 6))
        parts.append(
            draw(st.sampled_from((f"{first}", f"{first}-{last}", f"{first}-{last}:{step}")))
        )
        start = last + 1
    limit = draw(st.none() | st.integers(1, 99))
    return ",".join(draw(st.permutations(parts))) + (f"%{limit}" if limit else "")


@given(arrays())
def test_an_array_survives_being_written_and_read(text: str) -> None:
    array = parse_array(text)
    again = parse_array(str(array))
    assert (again.indices, again.parallel) == (array.indices, array.parallel)
    assert str(again) == str(array)


@given(st.text(alphabet="0123456789-:,% ax", max_size=14))
def test_any_text_is_an_array_or_refused(text: str) -> None:
    try:
        array = parse_array(text)
    except Invalid:
        return
    assert isinstance(array, Array)
    assert len(set(array.indices)) == len(array.indices) > 0
