ACTIVATIONS: dict[str, int]
LOSSES: dict[str, int]
RULES: dict[str, int]
level: str

def levels() -> list[str]: ...
def fma_peak(seconds: float = 0.05) -> float: ...
