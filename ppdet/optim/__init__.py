"""Learning-rate schedules, optimizers and the moving average of the weights."""
