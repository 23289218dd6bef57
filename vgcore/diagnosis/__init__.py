"""A verdict on a network: what is wrong, where, why, and what helps."""
