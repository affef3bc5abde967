"""Family 8, MLflow CVE-2024-37052 to 37060, ClearML CVE-2024-24590, NVFlare CVE-2022-31604 and
31605: what is read as data runs as code."""

from __future__ import annotations

import ast
import hashlib
import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.deck import Deck
    from tests.security.wire import Address

MODULES = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "jsonpickle",
    "torch", "xmlrpc", "dbm",
}  # fmt: skip
CALLS = {"eval", "exec", "compile"}
COMPILES = {"carried.py"}
"""It compiles our own runner beside its source and never loads what it wrote."""
LOADS = {"load", "loads"}


def test_nothing_of_the_house_can_unpickle_or_evaluate(root: Path) -> None:
    found = []
    for path in sorted((root / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = {node.func.id} & CALLS
                found += [f"{path.name}:{node.lineno} {name}" for name in names]
                continue
            else:
                continue
            found += [f"{path.name}:{node.lineno} {name}" for name in names & MODULES]
    assert {one.partition(":")[0] for one in found} <= COMPILES
    assert {one.partition(" ")[2] for one in found} <= {"compile", "marshal"}


def test_what_compiles_our_own_runner_loads_nothing(root: Path) -> None:
    for name in COMPILES:
        (path,) = (root / "src").rglob(name)
        calls = [
            one.func for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)
        ]
        called = {func.attr for func in calls if isinstance(func, ast.Attribute)}
        assert "dumps" in called
        assert not called & LOADS


def test_yaml_is_read_without_tags(root: Path) -> None:
    """ruamel's `safe`, `rt` and `pure` make no objects of tags; `unsafe` and `base` would."""
    for path in sorted((root / "src").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert 'typ="unsafe"' not in text, path
        assert "UnsafeLoader" not in text, path


class Canary:
    """Touches a file when somebody unpickles it."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self._mark,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "unpickled"


@pytest.fixture
def canary(mark: Path) -> bytes:
    return pickle.dumps(Canary(mark))


def test_the_canary_sings(canary: bytes, mark: Path) -> None:
    pickle.loads(canary)
    assert mark.exists()


def test_a_pickle_may_be_sent_anywhere_and_is_never_opened(
    server: Address, canary: bytes, mark: Path
) -> None:
    digest = hashlib.sha256(canary).hexdigest()
    assert server.ask(f"/v1/blobs/{digest}", "PUT", body=canary).status == 204
    files = [{"path": "model.pkl", "mode": 420, "size": len(canary), "digest": digest}]
    body = json.dumps({"files": files}).encode()
    assert server.ask("/v1/snapshots", "POST", body=body).status == 201
    for path in ("/v1/jobs", "/v1/plans", "/v1/batches", "/v1/snapshots", "/v1/webhooks"):
        assert server.ask(path, "POST", body=canary).status in (400, 422)
    assert not mark.exists()


def test_a_pickle_that_a_job_leaves_is_bytes(
    deck: Deck, server: Address, canary: bytes, mark: Path, tmp_path: Path
) -> None:
    left = tmp_path / "canary"
    left.write_bytes(canary)
    places = '"$QD_RESULTS/model.pkl" "$QD_CHECKPOINT/model.pkl" "$QD_METRICS/samples.jsonl"'
    job_id = deck.run(f"mkdir -p $QD_METRICS; for f in {places}; do cp {left} $f; done; cat {left}")
    assert deck.qd("wait", job_id).returncode == 0
    assert server.ask(f"/v1/jobs/{job_id}/results/0/model.pkl").body == canary
    assert canary in server.ask(f"/v1/jobs/{job_id}/logs").body
    assert server.ask(f"/v1/jobs/{job_id}/metrics").status == 200
    deck.qd("results", job_id, "-o", str(tmp_path / "saved"))
    deck.qd("metrics", job_id)
    assert not mark.exists()


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:pathlib.Path.touch [{mark}]", "!!python/name:os.system",
     "!!python/object/new:os.system ['touch {mark}']", "!<tag:yaml.org,2002:python/module:os> x"],
)  # fmt: skip
def test_a_job_file_makes_no_objects(deck: Deck, tmp_path: Path, mark: Path, tag: str) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(f"run: {tag.format(mark=mark)}\n")
    for verb in ("validate", "submit"):
        assert deck.qd(verb, str(file), cwd=tmp_path).returncode != 0
    assert not mark.exists()
