"""Jobs of one file come in an order that their needs allow, or it is said why there is none."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.sdk.jobfile import JobFile, parse_job_file, parse_job_files
from quarterdeck.sdk.jobneeds import order_by_needs


def jobs(*described: str) -> list[JobFile]:
    text = "\n---\n".join(f"{{run: x, {one}}}" for one in described)
    return parse_job_files(text.encode(), "job.yaml")


def names(found: list[JobFile]) -> list[str]:
    return [job.request.name for job in found]


def refused(*described: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        order_by_needs(jobs(*described))
    return caught.value


def test_a_file_of_many_is_read_in_its_order_and_each_knows_where_it_begins() -> None:
    text = b"# first\nrun: a\n---\nrun: b\nnodes: 2\n---\nrun: c\n..."
    read = parse_job_files(text, "job.yaml")
    assert [job.request.run for job in read] == ["a", "b", "c"]
    assert [job.start.line for job in read] == [2, 4, 7]
    located = read[1].locate(Invalid("nodes is 2", field="nodes"))
    assert located.message == "job.yaml:5:1: nodes is 2"
    assert read[2].locate(Invalid("no", field="")).message == "job.yaml:7:1: no"


def test_a_job_with_many_values_is_placed_to_the_item() -> None:
    job = parse_job_file(b"run: a\nneeds:\n  - b\n  - c\n", "job.yaml")
    assert job.place_of("needs.1") == (4, 5)
    assert job.place_of("needs.7") == (2, 1)
    assert job.place_of("nothing.of.it") == (1, 1)


def test_without_needs_the_files_order_is_kept() -> None:
    assert names(order_by_needs(jobs("name: c", "name: a", "name: b"))) == ["c", "a", "b"]


def test_what_is_needed_comes_first_and_the_rest_stays() -> None:
    found = order_by_needs(
        jobs("name: d, needs: [b, c]", "name: e", "name: b, needs: [a]", "name: c", "name: a")
    )
    assert names(found) == ["a", "b", "c", "d", "e"]


def test_an_id_of_a_job_that_exists_is_no_name_of_the_file() -> None:
    assert names(order_by_needs(jobs("name: a, needs: [j000000001]"))) == ["a"]


def test_a_name_of_the_file_goes_before_an_id_that_is_spelt_the_same() -> None:
    found = order_by_needs(jobs("name: a, needs: [j000000001]", "name: j000000001"))
    assert names(found) == ["j000000001", "a"]


def test_a_long_chain_backwards_is_put_in_order_without_recursion() -> None:
    count = 3000
    chain = [f"name: n{number}, needs: [n{number + 1}]" for number in range(count)]
    found = order_by_needs(jobs(*chain, f"name: n{count}"))
    assert names(found) == [f"n{number}" for number in range(count, -1, -1)]


def test_a_circle_is_named_without_those_who_only_wait_for_it() -> None:
    error = refused(
        "name: x", "name: d, needs: [a]", "name: a, needs: [b]", "name: b, needs: [x, c]",
        "name: c, needs: [a]",
    )  # fmt: skip
    assert error.message == "job.yaml:9:27: these jobs wait for each other: a → b → c → a"
    assert error.field == "needs"


def test_a_name_that_two_jobs_have_is_refused_only_where_it_is_needed() -> None:
    assert len(order_by_needs(jobs("name: a", "name: a"))) == 2
    assert "2 jobs have that name" in refused("name: a", "name: a", "name: b, needs: [a]").message


def test_a_name_that_is_not_there_gets_a_guess_or_the_list() -> None:
    assert refused("name: prepare", "name: b, needs: [prepair]").hint.startswith(
        "did you mean prepare? "
    )
    assert refused("name: a", "name: b, needs: [zzz]").hint == "jobs of this file: a"
    assert refused("name: b, needs: [zzz]").hint == "no other job is here"
