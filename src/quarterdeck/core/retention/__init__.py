"""How long what grows is kept, and what has to go first."""
