"""Who may do what, and how much of it: people, roles, permissions and limits."""
