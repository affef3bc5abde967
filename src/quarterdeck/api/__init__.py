"""The HTTP API: who may ask, what was asked and what is answered; control does the work."""
