"""Checks the machine: `ppdet doctor`."""
