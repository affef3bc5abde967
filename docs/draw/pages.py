"""Which pages there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from docs.draw.api import draw_api
from docs.draw.cli import draw_cli
from docs.draw.errors import draw_errors
from docs.draw.hardware import draw_hardware
from docs.draw.permissions import draw_permissions
from docs.draw.settings import draw_settings
from quarterdeck.api.jobfile_schema import job_file_schema
from quarterdeck.testing.state_diagram import draw_states

if TYPE_CHECKING:
    from pathlib import Path


def draw_pages(root: Path) -> dict[str, str]:
    """Every page that is made from code, by its place under docs."""
    schema = json.dumps(job_file_schema(), indent=2, ensure_ascii=False) + "\n"
    return {
        "reference/cli.md": draw_cli(),
        "reference/api.md": draw_api(),
        "reference/settings.md": draw_settings(root),
        "reference/errors.md": draw_errors(root),
        "reference/hardware.md": draw_hardware(),
        "reference/permissions.md": draw_permissions(),
        "jobfile.schema.json": schema,
        "states.md": draw_states(),
    }
