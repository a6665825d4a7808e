"""The report of an evaluation: one offline page that says why the scores are what they are."""
