"""Keras 3, of any backend: its models as models here, and back."""
