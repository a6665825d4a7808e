"""Between a plan and a detector with fake quantization: what a training in INT8 starts from, and what it ends in."""
