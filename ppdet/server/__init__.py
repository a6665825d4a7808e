"""`ppdet serve`: exported models behind HTTP. Needs the extra `server`."""
