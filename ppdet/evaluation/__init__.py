"""Detecting with a model in training: scores on annotated images, pictures of others."""
