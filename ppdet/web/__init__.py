"""The page that detects in a browser: its files, onnxruntime-web for it, and a server for one machine."""
