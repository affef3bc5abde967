"""Policies of others, as they were published, to compare ours with."""
