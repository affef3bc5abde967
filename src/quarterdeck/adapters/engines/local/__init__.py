"""Attempts as processes of this machine, each replica under a runner that outlives the server."""
