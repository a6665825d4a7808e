"""From a dataset to batches: order of images, worker processes, caches and collation."""
