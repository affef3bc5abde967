"""Whatever comes from outside is understood or refused in the house's words, and in bounded time.

No parser may end in any other exception: that would be a traceback for a person, or a server that
fails because of what somebody wrote.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quarterdeck.adapters.gauges.pretend import NODES_MAX, parse_pretend
from quarterdeck.adapters.spool.replica import Spool
from quarterdeck.api.jobfile_schema import job_file_schema
from quarterdeck.api.translate import (
    digest_of_request,
    parse_job_id,
    parse_need,
    to_spec,
)
from quarterdeck.basics.errors import Invalid, NotFound, Refused
from quarterdeck.basics.ids import is_job_id
from quarterdeck.core.cluster.gpus import format_gpus, parse_gpus
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.core.limits import LIMITS
from quarterdeck.sdk.find import find_server
from quarterdeck.sdk.ignoring import rules_of
from quarterdeck.sdk.jobfile import JobFile, parse_job_files
from quarterdeck.sdk.jobneeds import order_by_needs
from quarterdeck.sdk.jobproblems import examine
from quarterdeck.sdk.problems import NoServer
from quarterdeck.sdk.sse import Message, SseParser
from quarterdeck.wire.v1.jobs import JobRequest

ANY_TEXT = st.text(st.characters(), max_size=30)  # lone surrogates included
KEYS = [*job_file_schema()["properties"], "image", "nodez", "<<", ""]
INNER = ["gpu", "cpu", "memory", "limit", "on", "backoff", "signal", "grace", "path", "A", "x y"]
SCALARS = [
    *("1", "-1", "2", "true", "null", "~", "''", '"\\0"', '"\\ud800"', "A100:8", "64GiB", "90s"),
    *("0-9%2", "node_failure", "TERM", ".nan", "*a", "&a b", "!!python/name:os.system", "[", "{"),
    *("|\n  text", ">-\n  text", "? ", "- a", "%YAML 1.1", "...", "2026-11-23", "\x85", "\u2028"),
    *(
        "j000000001",
        "job",
        "'",
        '"',
        "# x",
        "\t",
        "\x00",
        "é",
        "[a, b]",
        "{a: b}",
        "[[a]]",
        "9" * 99,
    ),
]
VALUES = st.sampled_from(SCALARS) | ANY_TEXT.filter(lambda text: "\n" not in text)


@st.composite
def yaml_like(draw: st.DrawFn) -> str:
    """Nearly a job file: lines of known keys with right and wrong values, at some indentation."""
    lines = ["run: a"] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            lines.append(draw(st.sampled_from(["---", "...", "---\nrun: b", "--- !x", "%TAG ! x"])))
        elif kind == 1:
            lines.append(draw(VALUES))
        elif kind <= 4:
            key, value = draw(st.sampled_from(INNER)), draw(VALUES)
            lines.append(f"{draw(st.sampled_from(KEYS))}: {{{key}: {value}}}")
        elif kind == 5:
            lines.append(f"{draw(st.sampled_from(KEYS))}:\n  {draw(st.sampled_from(INNER))}: 1")
        else:
            lines.append(f"{draw(st.sampled_from(KEYS))}: {draw(VALUES)}")
    return "\n".join(lines)


@settings(max_examples=500)
@given(st.binary(max_size=60) | yaml_like().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"run: a\n---\n")
@example(b"? [a]\n: b")
@example(b"- - - - a")
def test_a_job_file_is_read_or_refused_with_a_place(content: bytes) -> None:
    found = examine(content, "job.yaml", to_spec)
    refusal = None
    try:
        jobs = parse_job_files(content, "job.yaml")
    except Invalid as error:
        refusal, jobs = error, []
    assert (refusal is None) == bool(jobs)
    for job in jobs:
        job.request.model_dump_json()
    if refusal is not None:
        assert refusal.message.startswith("job.yaml:")
        assert refusal.message.isprintable()
        assert refusal.hint
        assert found.faults
    for fault in found.faults:
        assert min(fault.place) >= 1
        assert fault.message
        assert fault.hint
        assert fault.message.isprintable()


@settings(max_examples=300)
@given(yaml_like())
def test_what_validate_lets_pass_the_server_takes(text: str) -> None:
    """The offline check and the server's are one: no problem here is no refusal there."""
    content = text.encode("utf-8", "surrogatepass")
    found = examine(content, "job.yaml", to_spec)
    if not found.faults:
        for _, request in found.planned:
            to_spec(request)
            sent = JobRequest.model_validate_json(request.model_dump_json(exclude_defaults=True))
            assert to_spec(sent) == to_spec(request)


NAMES = st.sampled_from(["a", "b", "c", "d", "e", "j000000001"])


@settings(max_examples=300)
@given(st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3)), max_size=6))
def test_needs_are_put_in_order_or_refused(described: list[tuple[str, list[str]]]) -> None:
    jobs = [
        JobFile("job.yaml", JobRequest(run="x", name=name, needs=needs), None)
        for name, needs in described
    ]
    with suppress(Invalid):
        ordered = order_by_needs(jobs)
        assert sorted(map(id, ordered)) == sorted(map(id, jobs))
        place = {job.request.name: number for number, job in enumerate(ordered)}
        for number, job in enumerate(ordered):
            assert all(place[need] < number for need in job.request.needs if need in place)


@settings(max_examples=300)
@given(
    ANY_TEXT
    | st.from_regex(r"[A-Za-z0-9 |:._-]{0,20}(:[0-9]{0,12})?")
    | st.from_regex(r"(mig-[1-7]g\.[0-9]{1,2}gb|[0-9]{1,3}GB(\.\.)?|share-[0-9]{1,2}%)(:[0-9])?")
)
def test_a_demand_for_gpus_is_understood_or_refused(wanted: str) -> None:
    with suppress(Invalid):
        asked = parse_gpus(wanted)
        assert asked.gpus >= 0
        assert asked.gpu_kind.isascii()
        assert asked.gpu_kind.isprintable()
        assert parse_gpus(format_gpus(asked)) == asked


@settings(max_examples=400)
@given(ANY_TEXT | st.from_regex(r"[0-9]{0,3}([-,:%][0-9]{0,9}){0,5}", fullmatch=True))
@example("0-999999999:1,0-999999999:1")
@example("0-999999999:999999999")
def test_an_array_is_within_its_bounds_or_refused(text: str) -> None:
    with suppress(Invalid):
        array = parse_array(text)
        assert 1 <= len(array.indices) <= LIMITS.array_tasks_max
        assert len(set(array.indices)) == len(array.indices)
        assert parse_array(str(array)).indices == array.indices


@settings(max_examples=300)
@given(ANY_TEXT | st.from_regex(r"[jJ][0-9a-zA-Zа-я]{8,10}", fullmatch=True))
def test_an_id_is_one_or_there_is_no_such_job(text: str) -> None:
    with suppress(NotFound):
        assert is_job_id(parse_job_id(text))
    with suppress(Invalid):
        assert is_job_id(parse_need(text))
    assert not is_job_id(text) or (text.isascii() and text == text.lower() and len(text) == 10)


@settings(max_examples=200)
@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=4), st.none() | ANY_TEXT)
def test_tags_and_checkpoints_are_right_or_refused(
    tags: list[tuple[str, str]], path: str | None
) -> None:
    with suppress(Invalid):
        spec = JobSpec(("x",), tags=tuple(tags), checkpoint_path=path)
        assert all(value.isprintable() for tag in spec.tags for value in tag)
        if path is not None:
            assert path.isprintable()
            assert not path.startswith("/")
            assert ".." not in path.split("/")


@settings(max_examples=200)
@given(ANY_TEXT | st.from_regex(r"(dgx-a100|cpu|dgx)(:[0-9²]{0,9})?", fullmatch=True))
@example("cpu:" + "9" * 5000)
def test_pretended_nodes_are_counted_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert 1 <= len(parse_pretend(text)) <= NODES_MAX


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(JobRequest.model_fields, JSON_VALUES | VALUES))
)
def test_a_request_is_right_or_refused(body: dict[str, Any]) -> None:
    try:
        request = JobRequest.model_validate({"run": "x", **body})
    except ValueError:
        return
    digest_of_request("POST", "/v1/jobs", JobRequest(run="x"))
    with suppress(Refused):
        to_spec(request)


@settings(max_examples=300)
@given(
    st.binary(max_size=80) | ANY_TEXT.map(lambda t: t.encode("utf-8", "surrogatepass")), st.data()
)
def test_server_sent_events_mean_the_same_however_they_are_cut(
    content: bytes, data: st.DataObject
) -> None:
    whole = list(SseParser().feed(content + b"\n\n"))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content) + 2), max_size=6)))
    parser, before = SseParser(), 0
    pieces: list[Message] = []
    for cut in [*cuts, len(content) + 2]:
        pieces += parser.feed((content + b"\n\n")[before:cut])
        before = cut
    assert pieces == whole


FACTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["standing", "started", "stopping", "exited", "odd"]) | JSON_VALUES},
    optional={
        "at_ns": st.integers(0, 2**62) | JSON_VALUES,
        "ranks": st.lists(JSON_VALUES, max_size=2) | JSON_VALUES,
        "reason": st.sampled_from(["completed", "killed", "timed_out"]) | JSON_VALUES,
        "message": JSON_VALUES,
    },
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=30) | FACTS.map(lambda f: json.dumps(f).encode()), max_size=4))
@example([b"[" * 100_000])
def test_facts_that_nobody_understands_are_passed_over(tmp_path: Path, lines: list[bytes]) -> None:
    told = [*(line.replace(b"\n", b" ") for line in lines), b""]
    good = b'{"kind": "standing", "at_ns": 1}\n'
    (tmp_path / "status.jsonl").write_bytes(good + b"\n".join(told))
    spool = Spool(tmp_path, 0)
    spool.read()
    assert spool.sighting.state is not ReplicaState.PENDING


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"url": "http://[", "pid": 1}')
def test_an_announcement_leads_to_a_server_or_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "server.json").write_bytes(content)
    with suppress(NoServer, Refused):
        find_server(home=tmp_path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_rules_of_what_stays_behind_are_understood_or_refused(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / ".qdignore").write_bytes(content)
    with suppress(Invalid):
        rules_of(tmp_path).leaves_out("a", is_folder=False)


MEGABYTE = 1 << 20
LONG = {
    "values": b"run: [" + b"a," * (MEGABYTE // 2 - 8) + b"]",
    "keys": b"".join(b"a%d: x\n" % number for number in range(90_000)),
    "variables": b"run: a\nenv:\n" + b"".join(b"  A%d: x\n" % n for n in range(20_000)),
    "jobs": b"run: a\n---\n" * 20_000,
    "brackets": b"[" * MEGABYTE,
    "braces": b"{a: " * (MEGABYTE // 4),
    "dashes": b"- " * (MEGABYTE // 2),
    "anchors": b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(30_000)),
    "one long key": b"a" * (MEGABYTE - 10) + b": b",
    "one long text": b"run: " + b"a" * (MEGABYTE - 10),
    "spaces": b"run:" + b" " * (MEGABYTE - 10) + b"a",
    "tabs and quotes": b'run: "' + b"\\t" * (MEGABYTE // 2 - 10) + b'"',
}  # fmt: skip


@pytest.mark.parametrize("content", LONG.values(), ids=LONG.keys())
def test_the_worst_file_of_a_megabyte_is_judged_in_seconds(content: bytes) -> None:
    begun_s = time.process_time()
    examine(content[:MEGABYTE], "job.yaml", to_spec)
    assert time.process_time() - begun_s < 20
