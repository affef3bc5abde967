"""Tags to search by, and a kept reply may be of many jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_tags",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("submitted_seq", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "ix_job_tags_key_value_submitted_seq", "job_tags", ["key", "value", "submitted_seq"]
    )
    op.alter_column("replies", "job_id", new_column_name="job_ids")
