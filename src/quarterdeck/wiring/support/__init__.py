"""One file for whoever helps: what is in it is named part by part, and no part is a secret."""
