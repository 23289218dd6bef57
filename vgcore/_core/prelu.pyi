from vgcore._core.op import Operation

def operation(
    units: int,
    *,
    shared: bool,
    real_bytes: int,
) -> Operation: ...
