"""Where it is kept which plans were made."""
