"""One module per noun of the API: its routes, and nothing that decides."""
