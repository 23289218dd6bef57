"""Rules, each with its threshold and source."""
