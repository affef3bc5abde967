"""From settings to a running server, agent or simulator: the only place that picks adapters."""
