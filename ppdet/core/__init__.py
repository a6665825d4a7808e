"""Configuration, registry and command-line pieces; imports nothing else of ppdet, and no Paddle."""
