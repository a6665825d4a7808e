"""Pure functions on images and boxes."""
