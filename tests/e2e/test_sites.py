"""A server whose nodes are those of a site file."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.deck import Deck, until


def test_a_server_pretends_a_site_file_and_shows_where_its_nodes_stand_and_what_is_held(
    deck: Deck, tmp_path: Path
) -> None:
    site = tmp_path / "site.yaml"
    kind = ("--type", "dgx-a100", "--units", "2")
    assert deck.qd("site", "generate", *kind, "-o", str(site)).returncode == 0
    deck.up("--site", str(site))
    with deck.client() as client:
        nodes = {node.name: node for node in client.list_nodes().nodes}
    assert len(nodes) == 40
    assert (nodes["dgx-23"].unit, nodes["dgx-23"].rack) == ("su2", "r2")
    assert nodes["dgx-23"].gpu_states == ["free"] * 8
    deck.run("--gpus", "8", "sleep 600")
    until(lambda: "########" in deck.qd("site", "show", "--map").stdout)
    drawn = deck.qd("site", "show", "--map").stdout
    assert drawn.count("........") == 39
    assert "40 nodes (40 pretended), 320 GPUs: 312 free, 8 held" in drawn
