"""ONNX: its files read and written."""
