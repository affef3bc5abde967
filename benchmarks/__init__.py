"""Measurements of Quarterdeck, beside a peer in the same run where one can run here."""
