"""A batch job is found again by what lies in its attempt's folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.adapters.engines.slurm.tickets import NODES, Ticket, load_ticket
from quarterdeck.basics.errors import Unavailable

ASKED = BatchRequest(
    "#!/bin/sh\n", name="a", nodes=("n1", "n2"), warning=("TERM", 90), memory_bytes=5
)


@pytest.mark.parametrize("request_", [ASKED, BatchRequest("#!/bin/sh\n")])
@pytest.mark.parametrize(("job", "is_asked"), [(None, False), (None, True), (12, True)])
def test_it_is_read_as_it_was_written(
    tmp_path: Path,
    request_: BatchRequest,
    job: int | None,
    is_asked: bool,
) -> None:
    ticket = Ticket(tmp_path, request_, job, is_asked)
    ticket.save()
    assert load_ticket(tmp_path, request_.comment) == ticket


def test_a_folder_that_is_gone_is_told() -> None:
    with pytest.raises(Unavailable, match="the site's disk"):
        Ticket(Path("/nowhere"), ASKED).save()


def test_the_runner_is_told_which_replicas_lie_where(tmp_path: Path) -> None:
    Ticket(tmp_path, ASKED).save_nodes(["n1", "n2", "n1"])
    assert json.loads((tmp_path / NODES).read_text()) == {"n1": [0, 2], "n2": [1]}


@pytest.mark.parametrize(
    ("said", "told"),
    [(None, ""), (b"", ""), (b"one\ntwo\n", "two"), (b"x" * 5000 + b"\nend \xff\n", "end \ufffd")],
)
def test_the_last_word_of_the_script(tmp_path: Path, said: bytes | None, told: str) -> None:
    if said is not None:
        (tmp_path / "slurm.out").write_bytes(said)
    assert Ticket(tmp_path, ASKED).read_output() == told


def test_it_is_being_submitted_while_somebody_holds_its_lock(tmp_path: Path) -> None:
    ticket = Ticket(tmp_path, ASKED, is_asked=True)
    assert not ticket.is_being_submitted()
    with ticket.submitting():
        assert ticket.is_being_submitted()
        assert not Ticket(tmp_path, ASKED, job=3, is_asked=True).is_being_submitted()
        assert not Ticket(tmp_path, ASKED).is_being_submitted()
    assert not ticket.is_being_submitted()
