"""PyTorch's own training, watched."""
