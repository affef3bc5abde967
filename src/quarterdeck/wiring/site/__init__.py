"""Site files and `qd site`: read, written, drawn, and made out of what others know."""
