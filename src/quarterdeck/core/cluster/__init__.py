"""What a site has: its nodes, their devices, and what is free of them."""
