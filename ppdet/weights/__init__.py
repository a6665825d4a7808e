"""Weights files: reading them, the names that PaddleDetection gives parameters, and the classes they know."""
