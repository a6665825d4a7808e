"""Scripts that run a vendor's converter, perhaps in another environment: they import nothing of ppdet.

Each reads its job, a JSON object, from standard input, and ends with status 0 when the files are written.
"""
