"""What a story was like: one subject a module, each from the story alone."""
