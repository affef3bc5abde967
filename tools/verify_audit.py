"""Verify an exported audit log of Quarterdeck: one file, nothing but Python's own library.

It is made to be read before it is trusted. Records are hashed after RFC 6962 (SHA-256, a 0 byte
before a record, a 1 byte before two hashes); checkpoints are C2SP signed notes; Ed25519 is verified
after RFC 8032, sections 5.1.3 and 5.1.7. Exit code: 0 whole, 1 findings, 2 it cannot be read.
"""

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def read_point(text: bytes) -> tuple[int, ...]:
    """A point of -x^2 + y^2 = 1 + D x^2 y^2 as (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z."""
    sign, y = divmod(int.from_bytes(text, "little"), 1 << 255)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if y >= P or (x * x - square) % P or (x == 0 and sign) or len(text) != 32:
        raise ValueError("not a point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def add(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(factor: int, point: tuple[int, ...]) -> tuple[int, ...]:
    total: tuple[int, ...] = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = add(total, point)
        point, factor = add(point, point), factor >> 1
    return total


BASE = read_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key: bytes, text: bytes, signature: bytes) -> bool:
    try:
        a, r = read_point(key), read_point(signature[:32])
    except ValueError:
        return False
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    left, right = multiply(s, BASE), add(r, multiply(k, a))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    return len(signature) == 64 and s < ORDER and same


def open_note(note: str, key_line: str) -> tuple[int, bytes]:
    """The size and the root of a checkpoint that this key has signed; otherwise ValueError."""
    name, key_hash, encoded = key_line.strip().split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    if key[:1] != b"\x01" or hashlib.sha256(f"{name}\n".encode() + key).hexdigest()[:8] != key_hash:
        raise ValueError("the key is not an Ed25519 key of a log")
    text, _, signatures = note.partition("\n\n")
    for line in signatures.splitlines():
        content = base64.b64decode(line.split(" ")[-1], validate=True)
        is_ours = line.startswith(f"\u2014 {name} ") and content[:4].hex() == key_hash
        if is_ours and is_signed(key[1:], f"{text}\n".encode(), content[4:]):
            origin, size, root = text.split("\n")[:3]
            if origin == name:
                return int(size), base64.b64decode(root, validate=True)
    raise ValueError(f"the checkpoint has no valid signature of {name}")


def read_root(roots: list[bytes]) -> bytes:
    found = roots[-1] if roots else hashlib.sha256(b"").digest()
    for root in reversed(roots[:-1]):
        found = hashlib.sha256(b"\x01" + root + found).digest()
    return found


def verify(lines: list[bytes], signed: list[tuple[int, bytes]]) -> list[str]:
    """What is wrong with the records, a sentence each."""
    found: list[str] = []
    roots: list[bytes] = []
    expected = good = last_ns = 0
    for place, line in enumerate([*lines, b""]):
        for size, root in signed:
            if size == place and read_root(roots) == root:
                good = size
            elif size == place:
                found.append(f"the first {size} are not what was signed: {good} or later changed")
        if place == len(lines):
            break
        try:
            record = json.loads(line.decode("ascii"))
            seq, at_ns = int(record["seq"]), int(record["at_ns"])
        except (ValueError, KeyError, TypeError):
            found.append(f"record {place} is not a record any more")
            seq, at_ns = expected, last_ns
        if seq != expected:
            found.append(f"record {seq} at the place of {expected}: dropped, inserted or moved")
        if at_ns < last_ns:
            found.append(f"record {seq} is older than the record before it")
        node, expected, last_ns = hashlib.sha256(b"\0" + line).digest(), seq + 1, at_ns
        while place & 1:
            node, place = hashlib.sha256(b"\1" + roots.pop() + node).digest(), place >> 1
        roots.append(node)
    return found + [f"cut off: {size} were signed" for size, _ in signed if size > len(lines)]


def read_export(path: Path) -> tuple[list[bytes], str, str]:
    """The records, the checkpoint and the key, of a folder or of what the API streams."""
    if path.is_dir():
        *lines, _ = (path / "records.jsonl").read_bytes().split(b"\n")
        return lines, (path / "checkpoint").read_text("utf-8"), (path / "key.pub").read_text()
    *lines, last, _ = path.read_bytes().split(b"\n")
    return lines, json.loads(last)["checkpoint"], json.loads(last)["key"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path, help="folder of `qd audit export`, or the API's file")
    parser.add_argument("--key", type=Path, help="the public key, from where you kept it")
    parser.add_argument("--older", type=Path, action="append", default=[], help="a checkpoint")
    asked = parser.parse_args()
    findings, signed = [], []
    try:
        lines, note, key = read_export(asked.export)
        for one in [note, *(path.read_text("utf-8") for path in asked.older)]:
            try:
                signed.append(open_note(one, asked.key.read_text() if asked.key else key))
            except ValueError as error:
                findings.append(f"checkpoint: {error}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        parser.error(f"{asked.export} cannot be read as an exported audit log: {error}")
    findings += verify(lines, signed)
    print(*findings[:20], f"{len(lines)} records, {len(findings)} findings", sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
