"""The store in a SQL database: a SQLite file, or PostgreSQL by URL."""
