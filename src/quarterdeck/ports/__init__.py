"""What the house needs from outside, as small interfaces."""
