"""`ppdet data suspects`: finds labels that are probably wrong with a trained model."""
