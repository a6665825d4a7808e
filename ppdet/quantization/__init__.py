"""From an exported float model to INT8: post-training static quantisation of its convolutions."""
