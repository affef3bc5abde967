"""Files of other systems into workloads, and outages from a file."""
