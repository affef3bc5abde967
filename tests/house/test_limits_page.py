"""The page of limits names every limit that can be set, with the default that holds."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from quarterdeck.api import form, nesting
from quarterdeck.api.limits import DoorLimits


def test_every_limit_is_on_its_page(root: Path) -> None:
    page = (root / "docs" / "security" / "limits.md").read_text(encoding="utf-8")
    for one in fields(DoorLimits):
        assert f"`{one.name.replace('_', '-')}`" in page
        if one.name != "body_bytes_per_second":
            assert f"{one.default:g}" in page
    for fixed in (nesting.DEPTH_MAX, form.PARAMETERS_MAX, form.HEADERS_MAX):
        assert str(fixed) in page
    for name, value in form.SAFE_HEADERS:
        assert f"{name.decode()}: {value.decode()}" in page.replace("\n", " ").lower()
