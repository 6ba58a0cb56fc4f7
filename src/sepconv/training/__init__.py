"""Training: images, recipes and engines in, results out."""
