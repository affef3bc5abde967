"""Policy files: how a site wants its queue served, as people write it."""
