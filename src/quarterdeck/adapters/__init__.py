"""The outside world made to fit the ports: engines, stores, blobs, gauges, identities."""
