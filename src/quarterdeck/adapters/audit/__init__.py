"""Audit logs: append-only files with signed checkpoints, and one in memory for tests."""
