"""A registry with images of one layer, as the OCI distribution specification has it, over HTTP."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """What it has, and what it was asked for."""

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.content: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []

    def push(self, tar: Path, name: str, tag: str, *env: str) -> str:
        """The image of a root file system; its reference by digest."""
        raw = tar.read_bytes()
        layer = self._put(name, "blobs", gzip.compress(raw), "application/octet-stream")
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": list(env), "Entrypoint": ["/trap"], "WorkingDir": "/nowhere"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(raw)]},
        }
        made = self._put(name, "blobs", json.dumps(config).encode(), "application/json")
        media = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **layer}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **made},
            "layers": [media],
        }
        found = self._put(name, "manifests", json.dumps(manifest).encode(), MANIFEST)
        self.content[f"/v2/{name}/manifests/{tag}"] = (MANIFEST, json.dumps(manifest).encode())
        return f"{self.host}/{name}@{found['digest']}"

    def _put(self, name: str, kind: str, data: bytes, media: str) -> dict[str, Any]:
        self.content[f"/v2/{name}/{kind}/{_digest(data)}"] = (media, data)
        return {"digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def running_registry() -> Iterator[Registry]:
    """One for a while."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            media, data = found.content.get(self.path, ("", b""))
            self.send_response(200 if media else 404)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Docker-Content-Digest", _digest(data))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815 - the name that the library looks for

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Registry(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
