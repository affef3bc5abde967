"""One module per verb: what a person or a site may ask, done on the store in one transaction."""
