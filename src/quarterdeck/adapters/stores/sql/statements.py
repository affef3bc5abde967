"""Every statement of the hot paths, compiled once per database rather than once per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from quarterdeck.adapters.stores.sql import schema
from quarterdeck.adapters.stores.sql.codec import CAPACITY_KINDS, REPORT_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection, CursorResult, Dialect


class Statement:
    """SQL text of one dialect, and the values that it brings along."""

    def __init__(
        self, clause: sa.Executable, dialect: Dialect, columns: Sequence[str] = ()
    ) -> None:
        assert isinstance(clause, sa.ClauseElement)
        compiled = clause.compile(dialect=dialect, column_keys=list(columns) or None)
        assert isinstance(compiled, SQLCompiler)
        self._sql = str(compiled)
        self._own = {key: bind.value for key, bind in compiled.binds.items() if not bind.required}

    def run(self, connection: Connection, **values: object) -> CursorResult[*tuple[Any, ...]]:
        """Execute it once."""
        return connection.exec_driver_sql(self._sql, {**self._own, **values})

    def run_many(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Execute it for each row; none is fine."""
        assert not self._own
        if rows:
            connection.exec_driver_sql(self._sql, list(rows))


class Statements:
    """All of them, in the words of one database."""

    def __init__(self, dialect: Dialect) -> None:
        events, jobs, sites = schema.events.c, schema.jobs.c, schema.sites.c
        replies, meta = schema.replies.c, schema.meta.c
        after = events.seq > sa.bindparam("after", type_=sa.BigInteger)
        limit = sa.bindparam("limit", type_=sa.Integer)
        job_id = sa.bindparam("job_id", type_=sa.Text)
        before_ns = replies.at_ns < sa.bindparam("before_ns", type_=sa.BigInteger)

        def said(clause: sa.Executable, *columns: str) -> Statement:
            return Statement(clause, dialect, columns)

        head = sa.select(sa.func.coalesce(sa.func.max(events.seq), 0))
        rewrites = sa.select(meta.value).where(meta.key == schema.REWRITES)
        self.head = said(head)
        self.stamp = said(sa.select(head.scalar_subquery(), rewrites.scalar_subquery()))

        record = sa.select(events.seq, events.kind, events.job_id, events.revision, events.data)
        page = record.where(after).order_by(events.seq).limit(limit)
        self.list_records = said(page)
        self.list_records_of_job = said(page.where(events.job_id == job_id))
        is_capacity = events.kind.in_([sa.literal_column(f"'{kind}'") for kind in CAPACITY_KINDS])
        self.has_capacity_news = said(sa.select(events.seq).where(after, is_capacity).limit(limit))

        are_reports = events.kind.in_([sa.literal_column(f"'{kind}'") for kind in REPORT_KINDS])
        self.list_reports = said(
            record.where(
                events.site == sa.bindparam("site", type_=sa.Text),
                events.at_ns < sa.bindparam("before_ns", type_=sa.BigInteger),
                are_reports,
            )
            .order_by(events.seq)
            .limit(limit)
        )

        self.find_job = said(sa.select(jobs.document).where(jobs.job_id == job_id))
        is_waiting = jobs.waiting > sa.literal_column("0")
        waiting = sa.select(sa.func.coalesce(sa.func.sum(jobs.waiting), 0)).where(is_waiting)
        whose = sa.bindparam("whose", type_=sa.Text)
        self.count_waiting = {
            "team": said(waiting.where(jobs.team == whose)),
            "owner": said(waiting.where(jobs.owner == whose)),
        }
        self.find_reply = said(
            sa.select(replies.request_digest, replies.job_ids, replies.at_ns).where(
                replies.key == sa.bindparam("key", type_=sa.Text)
            )
        )
        self.count_replies = said(
            sa.select(sa.func.count())
            .select_from(schema.replies)
            .where(before_ns)
            .where(replies.at_ns >= sa.bindparam("since_ns", type_=sa.BigInteger))
        )

        self.add_event = said(sa.insert(schema.events), *events.keys())
        self.add_job = said(sa.insert(schema.jobs), *jobs.keys())
        self.add_tag = said(sa.insert(schema.job_tags), *schema.job_tags.c.keys())
        self.change_job = said(
            sa.update(schema.jobs).where(jobs.job_id == sa.bindparam("of_job", type_=sa.Text)),
            "revision",
            "state",
            "waiting",
            "document",
        )
        insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        put = insert(schema.sites)
        self.put_site = said(
            put.on_conflict_do_update(
                index_elements=[sites.name], set_={"document": put.excluded.document}
            ),
            *sites.keys(),
        )
        used = schema.used
        more = insert(used)
        self.add_used = said(
            more.on_conflict_do_update(
                index_elements=[used.c.day, used.c.team, used.c.owner],
                set_={"gpu_ms": used.c.gpu_ms + more.excluded.gpu_ms},
            ),
            *used.c.keys(),
        )
        self.find_site = said(
            sa.select(sites.document).where(sites.name == sa.bindparam("name", type_=sa.Text))
        )
        of_job = sa.bindparam("of_job", type_=sa.Text)
        self.drop_events = said(sa.delete(schema.events).where(events.job_id == of_job))
        entry = events.seq == sa.bindparam("of_seq", type_=sa.BigInteger)
        self.drop_entry = said(sa.delete(schema.events).where(entry))
        self.change_entry = said(sa.update(schema.events).where(entry), "kind", "data")
        tags = schema.job_tags.c
        self.drop_tags = said(sa.delete(schema.job_tags).where(tags.job_id == of_job))
        self.drop_job = said(sa.delete(schema.jobs).where(jobs.job_id == of_job))
        self.count_rewrite = said(schema.count_rewrite)
        self.drop_replies = said(sa.delete(schema.replies).where(before_ns))
        self.add_reply = said(sa.insert(schema.replies), *replies.keys())
