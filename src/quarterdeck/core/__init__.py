"""The rules of the house, pure: no input or output, no clock, no chance."""
