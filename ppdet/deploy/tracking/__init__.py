"""Follows objects through a video and counts those that cross lines or enter zones."""
