"""What sites are made of: the catalogue of hardware, and what other systems tell of places."""
