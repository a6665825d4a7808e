"""The Python API, which `from ppdet import PicoDet` gives: `picodet.py` is light, `work.py` imports Paddle."""
