"""Quarterdeck: the broker of a shared AI computer."""

__version__ = "0.1.0"
