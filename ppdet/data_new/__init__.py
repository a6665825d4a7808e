"""`ppdet data new` writes a config for a folder of images and labels."""
