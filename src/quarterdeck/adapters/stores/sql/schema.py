"""The tables. The migrations in `migrations` make them; a test checks that the two agree."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

METADATA: Final = MetaData()

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("job_id", String(16)),
    Column("revision", Integer),
    Column("data", Text, nullable=False),
    Index("events_of_job", "job_id", "revision", unique=True),
)
"""The truth. `seq` is given by the writer, without gaps, in the order of the commits."""

JOBS: Final = Table(
    "jobs",
    METADATA,
    Column("job_id", String(16), primary_key=True),
    Column("submitted_seq", BigInteger, nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("name", String(128), nullable=False),
    Column("document", Text, nullable=False),
    Index("jobs_by_state", "state", "submitted_seq"),
    Index("jobs_by_name", "name", "submitted_seq"),
)
"""What the events have led to, so that nobody needs to replay them."""

SITES: Final = Table(
    "sites",
    METADATA,
    Column("name", String(128), primary_key=True),
    Column("document", Text, nullable=False),
)

REPLIES: Final = Table(
    "replies",
    METADATA,
    Column("key", String(255), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("job_id", String(16), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Index("replies_by_age", "at_ns"),
)
"""Answers to requests that carried an idempotency key."""
