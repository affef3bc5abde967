"""A workload on a cluster as the scheduler alone would run it: no server, no faults, no waiting."""
