"""Objects of 12 images, and the detections of a model that finds all of them and of one that does not."""

from __future__ import annotations

BIG, AWAY = [20, 20, 120, 120], [150, 150, 190, 190]
OBJECTS = [[[0, *BIG], [1, *AWAY]], [[0, *BIG]], [], [[0, *BIG]]] * 3
GOOD = [[[0, 0.9, *BIG], [1, 0.8, *AWAY]], [[0, 0.9, *BIG]], [], [[0, 0.9, *BIG]]] * 3
BAD = [[[0, 0.9, *BIG]], [[0, 0.9, *BIG]], [[1, 0.9, *BIG]], [[0, 0.9, *AWAY]]] * 3
