"""Random histories: new ones at each run by hand, the same ones in CI (`CI=1`)."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("by_hand", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "by_hand")
