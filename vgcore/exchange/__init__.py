"""With what people already have: each file knows one other library, and imports it when it is used."""
