"""Weight files: reading them, PaddleDetection's names of parameters, and the classes they were trained on."""
