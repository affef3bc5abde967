"""The HTTP API: who may ask, what was asked, what is answered; the work itself is done by control."""
