"""Sites as the store keeps them: what an older server wrote is read, and so is what it lacked."""

from __future__ import annotations

import json

from quarterdeck.adapters.stores.sql.codec import decode_record, decode_site, encode
from quarterdeck.core.cluster.events import NodesChanged, SiteReported
from quarterdeck.core.cluster.hardware import Foreign, NodeState, Site
from quarterdeck.ports.store import SiteRecord
from quarterdeck.testing.builders import a_dgx

OTHERS = (
    Foreign("Slurm job 7", ("GPU-a-0", "GPU-a-1"), 8, 2**30, 10**9),
    Foreign("Slurm reservation r", ends_at_ns=None, starts_at_ns=10**9),
)
NODE = a_dgx("a", state=NodeState.DRAINED, reason="bad „fan“", others=OTHERS)


def test_a_log_from_before_there_were_others_is_read() -> None:
    event = SiteReported(1, "local", (a_dgx("a"),))
    old = json.loads(encode(event))
    for key in ("reason", "others"):
        del old["nodes"][0][key]
    assert decode_record(7, "SiteReported", None, 0, json.dumps(old)) == SiteRecord(7, event)
    site = {"name": "local", "nodes": old["nodes"], "cordons": []}
    assert decode_site(json.dumps(site)) == Site("local", (a_dgx("a"),))


def test_others_and_what_a_site_says_of_a_node_are_kept() -> None:
    for event in (SiteReported(1, "local", (NODE,)), NodesChanged(1, "local", (NODE,))):
        kind = type(event).__name__
        assert decode_record(7, kind, None, 0, encode(event)) == SiteRecord(7, event)
    assert decode_site(encode(Site("local", (NODE,)))) == Site("local", (NODE,))
