"""Where jobs, sites and the event log are kept."""
