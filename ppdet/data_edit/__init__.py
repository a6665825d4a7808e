"""`ppdet data split`, `convert`, `merge`, `remap` and `subset` write a data set anew and change no file of it."""

FORMATS = ("coco", "yolo", "voc")  # that `convert` writes
