"""Random and fixed changes of samples and batches, as configs name them."""
