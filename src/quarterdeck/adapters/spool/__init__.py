"""The folder through which engines and runners speak, and what is served from it."""
