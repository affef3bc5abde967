"""The first tables: events, jobs, sites, replies."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("job_id", sa.String(16)),
        sa.Column("revision", sa.Integer),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index("events_of_job", "events", ["job_id", "revision"], unique=True)
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(16), primary_key=True),
        sa.Column("submitted_seq", sa.BigInteger, nullable=False, unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "submitted_seq"])
    op.create_index("jobs_by_name", "jobs", ["name", "submitted_seq"])
    op.create_table(
        "sites",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "replies",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(16), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("replies_by_age", "replies", ["at_ns"])
