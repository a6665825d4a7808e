"""`ppdet data split`, `convert`, `merge`, `remap` and `subset` write a data set anew and change no file of it."""
