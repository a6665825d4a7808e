"""Small helpers without knowledge of detection: files, downloads, logging, tables."""
