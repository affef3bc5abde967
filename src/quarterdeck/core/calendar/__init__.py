"""Bookings: who has which nodes when, and what stands in the way of another one."""
