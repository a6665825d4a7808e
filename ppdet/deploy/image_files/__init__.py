"""Encoded images that may be anything: checked by their headers, decoded, turned upright.

Training and deployment read the same pixels through it. It imports nothing of either.
"""

from .decode import ImageProblem, checked_header, decode, read_file
from .header import MAX_PIXELS, Header, read_header

__all__ = ["MAX_PIXELS", "Header", "ImageProblem", "checked_header", "decode", "read_file", "read_header"]
