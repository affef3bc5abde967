"""Both audit logs keep what the port promises."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.adapters.audit.log import FileAuditLog
from quarterdeck.adapters.audit.memory import MemoryAuditLog
from quarterdeck.testing.conformance.audit import AuditLogConformance


class TestFileAuditLog(AuditLogConformance):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[FileAuditLog]:
        log = FileAuditLog(
            tmp_path / "audit", time.time_ns, name="quarterdeck.audit/x", segment_bytes_max=3000
        )
        yield log
        log.close()


class TestMemoryAuditLog(AuditLogConformance):
    @pytest.fixture
    def log(self) -> MemoryAuditLog:
        return MemoryAuditLog(time.time_ns)
