"""Measures training, reading and scores on one machine in a few minutes: `ppdet doctor --bench`."""
