"""Training, evaluation, inference, export, and what they stand on: devices, ranks, checkpoints."""
