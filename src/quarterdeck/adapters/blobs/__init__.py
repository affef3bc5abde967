"""Places that keep content-addressed bytes."""
