"""What everything that says where data lies must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.testing.builders import a_job_spec

if TYPE_CHECKING:
    from quarterdeck.ports.locality import Locality

FOLDER, OTHER = "a" * 64, "b" * 64


class LocalityConformance:
    """On a fixture `locality` that knows nothing yet."""

    def test_nothing_is_known_of_what_never_ran(self, locality: Locality) -> None:
        """Also of a job without a work folder."""
        assert locality.find_shares(a_job_spec(snapshot=FOLDER)) == {}
        assert locality.find_shares(a_job_spec()) == {}

    def test_a_job_of_the_same_data_finds_where_that_is(self, locality: Locality) -> None:
        """By name, as a share, and of no other data."""
        locality.note_placed(a_job_spec(snapshot=FOLDER), "local", ["n1", "n2"])
        locality.note_placed(a_job_spec(snapshot=FOLDER, name="again"), "local", ["n3"])
        shares = locality.find_shares(a_job_spec(snapshot=FOLDER))
        assert set(shares) == {"n1", "n2", "n3"}
        assert all(0 < share <= 1 for share in shares.values())
        assert locality.find_shares(a_job_spec(snapshot=OTHER)) == {}

    def test_it_does_not_grow_for_ever(self, locality: Locality) -> None:
        """The latest is known, whatever came before."""
        for number in range(3000):
            digest = f"{number:064x}"
            locality.note_placed(a_job_spec(snapshot=digest), "local", [f"n{number}"])
        kept = sum(
            bool(locality.find_shares(a_job_spec(snapshot=f"{number:064x}")))
            for number in range(3000)
        )
        assert 0 < kept < 3000
        assert set(locality.find_shares(a_job_spec(snapshot=f"{2999:064x}"))) == {"n2999"}

    def test_an_answer_is_the_askers_own(self, locality: Locality) -> None:
        """What is noted later does not change it."""
        locality.note_placed(a_job_spec(snapshot=FOLDER), "local", ["n1"])
        before = locality.find_shares(a_job_spec(snapshot=FOLDER))
        locality.note_placed(a_job_spec(snapshot=FOLDER), "local", ["n2"])
        assert set(before) == {"n1"}
