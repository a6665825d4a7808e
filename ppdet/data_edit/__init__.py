"""`ppdet data split`, `convert`, `merge`, `remap` and `subset` write a new data set and leave the old one as it is."""

FORMATS = ("coco", "yolo", "voc")  # that `convert` writes
