"""Experiments to run and to show, one file each; `vgcore.experiments.base` is their contract."""
