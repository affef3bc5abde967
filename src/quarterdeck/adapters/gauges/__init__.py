"""Ways to find out which GPUs a machine has, real or pretended."""
