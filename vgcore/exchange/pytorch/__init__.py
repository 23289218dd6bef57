"""PyTorch: modules as models, and models as modules."""
