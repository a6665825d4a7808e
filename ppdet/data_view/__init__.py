"""Shows data sets: contact sheets, tables and plots."""
