"""Checks of the machine: `ppdet doctor`."""
