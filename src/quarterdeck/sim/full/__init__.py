"""A workload through the whole control plane and the site's agent, on virtual time."""
