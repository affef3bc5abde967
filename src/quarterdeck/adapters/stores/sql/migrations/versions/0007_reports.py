"""What sites reported is found by site and age, to be folded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OF_SITE = sa.text("site IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_events_site_seq",
        "events",
        ["site", "seq"],
        sqlite_where=_OF_SITE,
        postgresql_where=_OF_SITE,
    )
