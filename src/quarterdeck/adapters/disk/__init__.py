"""Looks at a file system's free room, and keeps some of it back."""
