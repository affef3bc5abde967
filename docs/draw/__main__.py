"""`python -m docs.draw`: write every page that is made from code; a test compares them."""

from __future__ import annotations

from pathlib import Path

from docs.draw.pages import draw_pages

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    for name, text in draw_pages(ROOT).items():
        path = ROOT / "docs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
