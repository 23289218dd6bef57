from vgcore._core.op import Operation

def operation(
    inputs: int, outputs: int, *, from_image: bool, to_image: bool, real_bytes: int
) -> Operation: ...
