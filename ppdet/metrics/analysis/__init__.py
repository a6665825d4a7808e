"""Why a detector's AP is what it is, computed from the detections that evaluation already has.

`truth`, `found`: flat arrays. `rules`: the evaluations. `matching`: which detection finds which object, in the compiled
`loops`. `average_precision`: the official numbers for weighted images. `curves`: precision, recall and F1 against the
threshold.
"""
