"""From a dataset to batches: order, decoding, worker processes, caches and collation."""
