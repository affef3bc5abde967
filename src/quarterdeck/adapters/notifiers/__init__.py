"""What tells people and programs outside."""
