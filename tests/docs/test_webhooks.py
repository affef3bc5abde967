"""The recipes of the page about webhooks work as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from time import time

import pytest

from quarterdeck.basics.signatures import sign
from tests.e2e.deck import until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"job.failed","timestamp":"t","data":{"id":"jé","x":"100% \\\\n"}}'.encode()


def recipe(root: Path, language: str) -> str:
    page = (root / "docs" / "webhooks.md").read_text()
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("is_forged", [False, True])
def test_the_recipe_with_openssl(root: Path, tmp_path: Path, is_forged: bool) -> None:
    (tmp_path / "body").write_bytes(BODY + b"." * is_forged)
    done = subprocess.run(
        ["sh", "-c", recipe(root, "sh")],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "SECRET": SECRET,
            "ID": "w1-7",
            "TIMESTAMP": "1700000000",
            "SIGNATURE": sign(SECRET, "w1-7", 1_700_000_000, BODY),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ("forged\n" if is_forged else "genuine\n")


def post(url: str, signature: str, timestamp_s: int) -> int | None:
    request = urllib.request.Request(
        url,
        BODY,
        {
            "webhook-id": "w1-7",
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signature,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None  # it is still starting


def test_the_recipe_in_python(root: Path, tmp_path: Path) -> None:
    code = recipe(root, "python").replace('"127.0.0.1", 8099', '"127.0.0.1", 0')
    code = code.replace("HTTPServer((", "s = HTTPServer((").replace(
        ").serve_forever()", ")\nprint(s.server_port, flush=True)\ns.serve_forever()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as receiver:
        try:
            assert receiver.stdout is not None
            url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/"
            now_s = int(time())
            assert until(lambda: post(url, "v1,AAAA", now_s)) == 401
            assert post(url, sign(SECRET, "w1-7", now_s, BODY), now_s) == 204
            assert receiver.stdout.readline() == "w1-7 job.failed jé\n"
        finally:
            receiver.kill()
