from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def orthonormalise(q: Array) -> Array: ...
def carry(q: Array, jacobians: Array, lengths: Array) -> None: ...
