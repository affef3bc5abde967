"""The site agent: makes one engine match what the control plane wants, and reports what it sees."""
