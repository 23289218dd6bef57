"""The compiled engine. Nothing in here checks its input: the Python face does."""
