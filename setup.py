"""For `python3 setup.py install`; everything is said in pyproject.toml."""

from setuptools import setup

setup()
