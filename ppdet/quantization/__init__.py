"""Post-training static quantization: converts the convolutions of an exported model to INT8."""
