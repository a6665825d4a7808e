"""`ppdet data check`: finds what is wrong with a data set, without a model and without Paddle."""
