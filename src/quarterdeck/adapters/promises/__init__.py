"""Where it is kept what waiting jobs were promised."""
