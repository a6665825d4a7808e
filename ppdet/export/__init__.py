"""From a trained detector to files that other programs run: Paddle Inference, ONNX and OpenVINO."""
