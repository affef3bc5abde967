"""Where the truth is kept: jobs, sites and the event log."""
