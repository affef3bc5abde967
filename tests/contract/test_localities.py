"""Whoever says where data lies, the same suite holds."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.locality.recent import NODES_MAX, RecentNodes
from quarterdeck.testing.builders import a_job_spec
from quarterdeck.testing.conformance.locality import FOLDER, LocalityConformance


class TestRecentNodes(LocalityConformance):
    @pytest.fixture
    def locality(self) -> RecentNodes:
        return RecentNodes()

    def test_of_one_folder_it_knows_the_latest_nodes(self, locality: RecentNodes) -> None:
        spec = a_job_spec(snapshot=FOLDER)
        locality.note_placed(spec, "local", (f"n{number}" for number in range(NODES_MAX + 5)))
        locality.note_placed(spec, "local", ["n5"])
        known = locality.find_shares(spec)
        assert len(known) == NODES_MAX
        assert "n4" not in known
        assert "n5" in known
