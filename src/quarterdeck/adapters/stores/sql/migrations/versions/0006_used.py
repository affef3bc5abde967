"""GPU time that was used, by day, team and owner. What was used before is not counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used",
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("team", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("gpu_ms", sa.BigInteger, nullable=False),
    )
