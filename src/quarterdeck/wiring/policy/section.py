"""One key of a policy file in place of another, with all around it as it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Invalid
from quarterdeck.sdk.yamltree import Entries, read_documents

if TYPE_CHECKING:
    from pathlib import Path

POOLS = "pools"


def with_pools(content: bytes | None, text: str) -> bytes:
    """The policy file with the pools of this text, which has that key and nothing else. `Invalid`
    if it does not, or if the file is written so that its keys are not on lines of their own."""
    fresh = _entries(text.encode("utf-8", "surrogatepass"), "pools")
    if [key.text for key, _ in fresh.entries] != [POOLS]:
        raise Invalid(
            "the text is not the key pools, and nothing else",
            field="text",
            hint="write pools: and below it the teams, as in docs/policy.md",
        )
    block = text.rstrip("\n") + "\n"
    if content is None or not content.strip():
        return block.encode()
    root = _entries(content, "policy.yaml")
    if any(key.place.column != 1 for key, _ in root.entries):
        raise Invalid(
            "the server's policy.yaml has its keys within braces, or indented",
            field="text",
            hint="write each of its keys at the beginning of a line",
        )
    lines = content.decode().splitlines(keepends=True)
    starts = [(key.text, key.place.line - 1) for key, _ in root.entries]
    place = next((n for n, (name, _) in enumerate(starts) if name == POOLS), None)
    if place is None:
        end = "" if lines[-1].endswith("\n") else "\n"
        return ("".join(lines) + end + block).encode()
    first = starts[place][1]
    last = starts[place + 1][1] if place + 1 < len(starts) else len(lines)
    # What stands right above the next key belongs to that.
    while place + 1 < len(starts) and last > first + 1 and _is_remark(lines[last - 1]):
        last -= 1
    return ("".join(lines[:first]) + block + "".join(lines[last:])).encode()


def replace_file(path: Path, content: bytes) -> None:
    """This content in place of a file's, all of it or nothing, also over a power cut."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_remark(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _entries(content: bytes, file: str) -> Entries:
    documents, faults = read_documents(content)
    if faults:
        raise faults[0].to_error(file)
    if len(documents) != 1 or not isinstance(documents[0].root, Entries):
        raise Invalid(
            f"{file} is not one mapping of keys and values", field="text", hint="see docs/policy.md"
        )
    return documents[0].root
