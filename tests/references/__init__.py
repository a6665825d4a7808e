"""The mathematics of the detector, as short plain loops: they say what the fast code must give, and the tests compare.

Nothing here imports ppdet or Paddle.
"""
