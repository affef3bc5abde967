"""Whatever stands in a batch script or behind `srun`, it is understood or refused by name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from quarterdeck.api.translate import to_spec
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import ALPHABET, SYMBOLS, format_id, is_job_id
from quarterdeck.batch import ledger
from quarterdeck.batch.numbers import indices_of, number_of, number_of_task
from quarterdeck.batch.variables import spread, tell_counts
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.sdk.sbatch.directives import read_script, read_words
from quarterdeck.sdk.sbatch.options import OPTIONS
from quarterdeck.sdk.sbatch.request import Around, to_batch

VALUES = st.sampled_from(
    ("1", "4", "0", "2-8", "gpu:2", "gpu:a100:4", "a100:3", "4G", "1:30", "1-2", "B:USR1@9", "x")
) | st.text(max_size=12)
WORDS = st.builds(
    lambda option, value, form: {
        0: f"--{option.name}={value}",
        1: f"--{option.name} {value}",
        2: f"-{option.short}{value}" if option.short else f"--{option.name}",
        3: f"--{option.name[:5]}={value}",
    }[form],
    st.sampled_from(OPTIONS),
    VALUES,
    st.integers(0, 3),
)
SCRIPTS = st.one_of(
    st.binary(max_size=200).map(lambda rest: b"#!/bin/sh\n" + rest),
    st.binary(max_size=60),
    st.lists(WORDS | st.text(max_size=20), max_size=6).map(
        lambda words: ("#!/bin/sh\n#SBATCH " + "\n#SBATCH ".join(words)).encode("utf-8", "replace")
    ),
)


@settings(max_examples=600)
@given(SCRIPTS, st.lists(WORDS, max_size=3))
@example(b"#!/bin/sh\n#SBATCH --export=\n", [])
@example(b"#!/bin/sh\n#SBATCH -N 1k-2k -n 999999 --mem-per-cpu 9T -c 999999\n", [])
def test_a_script_is_a_request_that_the_server_can_judge_or_is_refused(
    content: bytes, typed: list[str]
) -> None:
    with suppress(Invalid):
        batch = to_batch(read_script(content, "job.sh"), read_words(typed), Around("job.sh"))
        assert batch.facts["cpus"] >= batch.facts["tasks_per_node"] >= 1
        to_spec(batch.request)


@given(st.integers(0, len(ALPHABET) ** SYMBOLS - 1), st.integers(0, 9999))
def test_a_number_leads_back_to_its_job(number: int, position: int) -> None:
    name = format_id("j", number)
    assert is_job_id(name)
    assert number_of(name) == number
    assert number_of_task(name, position) < 2**63
    assert number_of_task(name, position) not in (number, number_of_task(name, position + 1))


@given(st.from_regex(r"[0-9]{1,3}(-[0-9]{1,3}(:[1-9])?)?(,[0-9]{1,3})?(%[1-9])?", fullmatch=True))
def test_indices_are_those_of_the_server(text: str) -> None:
    with suppress(Invalid):
        assert indices_of(text) == list(parse_array(text).indices)


@given(st.integers(1, 500), st.integers(1, 20))
def test_tasks_are_spread_as_equally_as_may_be(tasks: int, nodes: int) -> None:
    counts = spread(tasks, nodes)
    assert (sum(counts), len(counts)) == (tasks, nodes)
    assert max(counts) - min(counts) <= 1
    assert tell_counts(counts).count("(") <= 2


WANTS = st.fixed_dictionaries(
    {
        "nodes": st.none() | st.integers(1, 4),
        "tasks": st.integers(1, 12),
        "tasks_per_node": st.none() | st.integers(1, 4),
        "cpus_per_task": st.integers(1, 4),
        "gpus_per_task": st.none() | st.integers(0, 3),
        "gpus_per_node": st.none() | st.integers(0, 5),
        "exact": st.booleans(),
        "overlap": st.booleans(),
        "names": st.lists(st.sampled_from(("n0", "n1", "a2")), max_size=2),
        "exclude": st.lists(st.sampled_from(("n0", "n2")), max_size=1),
        "relative": st.integers(0, 3),
        "cyclic": st.booleans(),
    }
)


@settings(max_examples=400)
@given(st.lists(st.tuples(WANTS, st.booleans()), max_size=12))
def test_no_two_steps_hold_a_gpu_and_what_ends_is_free_again(
    wanted: list[tuple[dict[str, Any], bool]],
) -> None:
    nodes = [
        ledger.Node(f"n{number}", (f"a{number}",), 8, [f"g{number}{one}" for one in range(4)])
        for number in range(3)
    ]
    held: list[tuple[dict[str, Any], list[ledger.Part]]] = []
    for want, ends in wanted:
        try:
            parts = ledger.place(nodes, want)
        except ledger.Never:
            continue
        if parts is None:
            assert held  # on empty nodes it is placed, or never will be
            continue
        assert sorted(rank for part in parts for rank in part.ranks) == [*range(want["tasks"])]
        if ends:
            ledger.give_back(nodes, want, parts)
        else:
            held.append((want, parts))
        owned = [
            device
            for of, some in held
            if not of["overlap"]
            for part in some
            for device in part.devices or ()
        ]
        assert len(owned) == len(set(owned))
    for want, parts in held:
        ledger.give_back(nodes, want, parts)
    assert [(node.free_cpus, node.free_gpus) for node in nodes] == [
        (node.cpus, node.gpus) for node in nodes
    ]
