"""Whatever Slurm's commands say, its parsers answer in bounded time, and with values that hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.adapters.engines.slurm import parsing, scontrol, values
from quarterdeck.adapters.engines.slurm.failures import explain, explain_late
from quarterdeck.adapters.engines.slurm.locations import locate_nodes
from quarterdeck.adapters.engines.slurm.requests import BatchRequest, list_options
from quarterdeck.basics.errors import Invalid, Refused, Unavailable

RECORDED = Path(__file__).parent.parent / "spec" / "adapters" / "slurm" / "recorded"
MARK = "~0123abcd~"
GARBAGE = st.binary(max_size=200).map(lambda raw: raw.decode(errors="replace")) | st.text(
    max_size=100
)
WORDS = st.sampled_from(
    [
        *("", "(null)", "N/A", "Unknown", "None assigned", "UNLIMITED", "-1", "0", "1", "9" * 50),
        *("n[001-004]", "n[1-999999999]", "n;rm -rf /", "$(id)", "n001\n", "[", "]", "IDLE*+DRAIN"),
        *("gpu:h100:8(IDX:0-7)", "gpu:(IDX:9-1)", "gres/gpu:h100=8", "cpu=1,mem=1.5T,x", "3:0"),
        *("1-00:00:00", "2026-11-30T10:36:58", "2026-02-31T10:36:58", "1796035018", "RUNNING"),
        *("CANCELLED by 0", "\x00", "\ud800", "²", "٣", "State=DOWN", "NodeName=x", "é" * 50),
    ]
)
FIELDS = WORDS | GARBAGE


def damaged(name: str) -> st.SearchStrategy[str]:
    """A recorded answer that was cut off, with something in it that does not belong there."""
    text = (RECORDED / name).read_text()
    places = st.integers(0, len(text))
    return st.builds(
        lambda start, end, middle, what: (text[start:middle] + what + text[middle:])[: end or None],
        *(places, places, places, FIELDS),
    )


@pytest.mark.parametrize(
    "parse",
    [
        *(values.parse_instant_s, values.parse_span_s, values.parse_size, values.parse_hosts),
        *(values.parse_tres, values.parse_gres, values.parse_exit, values.parse_count),
        *(values.parse_names, scontrol.parse_version, scontrol.parse_config, parsing.state_word),
    ],
)
@given(FIELDS)
def test_a_word_is_understood_or_nothing(parse: object, text: str) -> None:
    assert callable(parse)
    parse(text)


@settings(max_examples=300)
@given(st.lists(FIELDS, min_size=18, max_size=24))
def test_a_job_of_any_fields_has_an_id_and_a_state_or_is_none(fields: list[str]) -> None:
    line = MARK.join(fields)
    for listing in (
        parsing.parse_squeue(f"{line}{MARK}.\n", MARK),
        parsing.parse_sacct(f"{line}\n", MARK),
    ):
        for job in listing.items:
            assert job.id > 0
            assert job.state.replace("_", "").isalpha()
            assert min(job.cpus, job.restarts, job.exit_code, job.exit_signal) >= 0
        assert listing.example.isprintable()


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_answer_loses_lines_and_nothing_else(data: st.DataObject) -> None:
    squeue = data.draw(damaged("squeue.txt"))
    for job in parsing.parse_squeue(squeue, MARK).items:
        assert job.id > 0
    for node in scontrol.parse_nodes(data.draw(damaged("nodes.txt"))).items:
        assert node.name
        assert node.state
    scontrol.parse_partitions(data.draw(damaged("partitions.txt")))
    scontrol.parse_reservations(data.draw(damaged("reservations.txt")))
    locate_nodes(scontrol.parse_topology(data.draw(damaged("topology.txt"))).items)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_invents_a_job(name: str, comment: str) -> None:
    """The mark is made of chance, so nobody's text has it."""
    fields = ["7", "7", "N/A", name, comment, *["x"] * (len(parsing.SQUEUE_FIELDS) - 5)]
    fields[9] = "RUNNING"
    line = MARK.join(fields) + f"{MARK}.\n"
    first, second = parsing.parse_squeue(line * 2, MARK).items
    assert first == second
    assert first.name == name


@given(st.lists(FIELDS, max_size=4))
def test_an_error_is_told_in_one_line_of_ours(lines: list[str]) -> None:
    text = "\n".join(lines)
    for error in (explain("sbatch", text), explain_late("sbatch", 3, text)):
        assert isinstance(error, (Refused, Unavailable))
        assert error.message.isprintable()
        assert len(error.message) < 400


@settings(max_examples=300)
@given(
    st.sampled_from(
        [
            *("name", "comment", "partition", "account", "qos", "reservation", "gres"),
            *("constraint", "output", "folder"),
        ]
    ),
    FIELDS,
)
def test_no_value_becomes_another_option(key: str, value: str) -> None:
    request = BatchRequest("#!/bin/sh\n", **{key: value})  # type: ignore[arg-type]
    refusal, options = None, []
    try:
        options = list_options(request)
    except Invalid as error:
        refusal = error
    if refusal is not None:
        assert refusal.field == key
        assert refusal.hint
        assert refusal.message.isprintable()
        return
    plain = list_options(BatchRequest("#!/bin/sh\n"))
    new = [option for option in options if option not in plain]
    assert len(new) == (1 if value else 0)
    assert all(option.startswith("--") and "=" in option and "\n" not in option for option in new)
