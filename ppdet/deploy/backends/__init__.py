"""The runtimes that run an exported model."""
