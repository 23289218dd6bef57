"""Callbacks that tell other programs how training goes, all of `log(step, name, value)`."""
