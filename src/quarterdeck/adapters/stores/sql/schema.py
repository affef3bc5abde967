"""The tables. Migrations make them; a test compares the two.

The log is the truth and only grows, but for jobs that retention lets go and reports of sites that
are folded. `jobs` and `sites` are what it leads to, written in the same transaction, so that
nothing has to be replayed to answer a question. Whole values are JSON in one
column each; what is searched for has a column of its own beside it.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

REVISION: Final = "0007"
"""The newest migration: what a database must be at before this code uses it."""

metadata = sa.MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s"})

# SQLite keeps rows by an INTEGER primary key directly, without an index beside it.
_BigKey = sa.BigInteger().with_variant(sa.Integer, "sqlite")

_OF_SITE: Final = sa.text("site IS NOT NULL")

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _BigKey, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text),
    sa.Column("site", sa.Text),
    sa.Column("revision", sa.BigInteger),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.UniqueConstraint("job_id", "revision", name="uq_events_job_id_revision"),
    sa.Index("ix_events_site_seq", "site", "seq", sqlite_where=_OF_SITE, postgresql_where=_OF_SITE),
)

_WAITS: Final = sa.text("waiting > 0")

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("team", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("waiting", sa.BigInteger, nullable=False),
    sa.Column("submitted_seq", sa.BigInteger, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.UniqueConstraint("submitted_seq", name="uq_jobs_submitted_seq"),
    sa.Index(None, "state", "submitted_seq"),
    sa.Index(None, "name", "submitted_seq"),
    sa.Index(None, "team", "submitted_seq"),
    sa.Index(
        "ix_jobs_team_waiting", "team", "waiting", sqlite_where=_WAITS, postgresql_where=_WAITS
    ),
    sa.Index(
        "ix_jobs_owner_waiting", "owner", "waiting", sqlite_where=_WAITS, postgresql_where=_WAITS
    ),
)

job_tags = sa.Table(
    "job_tags",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("submitted_seq", sa.BigInteger, nullable=False),
    sa.Index("ix_job_tags_key_value_submitted_seq", "key", "value", "submitted_seq"),
)

sites = sa.Table(
    "sites",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_digest", sa.Text, nullable=False),
    sa.Column("job_ids", sa.Text, nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Index(None, "at_ns"),
)

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

REWRITES: Final = "rewrites"
"""Counts how often `jobs` was changed behind the log's back, by a rebuild or by dropping some:
whoever remembers jobs forgets them when it has moved."""

PEOPLE: Final = "people"
"""Counts the changes of people, teams and tokens."""

CALENDAR: Final = "calendar"
"""Counts the changes of bookings."""

count_rewrite = (
    sa.update(meta)
    .where(meta.c.key == REWRITES)
    .values(value=meta.c.value + sa.literal_column("1"))
)

used = sa.Table(
    "used",
    metadata,
    sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("gpu_ms", sa.BigInteger, nullable=False),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("hook_id", sa.Text, primary_key=True),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.Column("progress", sa.Text, nullable=False),
)

people = sa.Table(
    "people",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

bookings = sa.Table(
    "bookings",
    metadata,
    sa.Column("booking_id", sa.Text, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("token_id", sa.Text, primary_key=True),
    sa.Column("secret_digest", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("used_at_ns", sa.BigInteger),
    sa.Column("used_from", sa.Text, nullable=False),
    sa.UniqueConstraint("secret_digest", name="uq_tokens_secret_digest"),
)
