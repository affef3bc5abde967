"""Clusters that other people run and this server uses, each by a file of the home."""
