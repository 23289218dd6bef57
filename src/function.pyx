from .simd cimport (
    Activation, CONSTANTS, FIRST_CONSTANT, FIRST_LEARNED, Formula, Function, INSTRUCTIONS, Instruction,
    LEARNED, REGISTERS,
)
from .simd import FORMULA, OPERATORS

# What a program may have at most
LIMITS = {
    "instructions": INSTRUCTIONS, "registers": REGISTERS, "constants": CONSTANTS, "learned": LEARNED,
}


cdef class ActivationFunction:
    """An activation as the kernels get it: its number, its parameter, whether its slope is taken from z."""

    def __cinit__(self, int kind, double alpha=0, *, bint keeps_z=True):
        self.function = Function(kind=<Activation>kind, alpha=alpha, steepest=1, program=NULL)
        self.keeps_z = keeps_z


def formula_function(instructions, constants, int learned, result, double steepest):
    """The activation that a program computes.

    An instruction is the name of an operator, the register that it writes, and up to four slots that it
    reads. Slots: ("z", 0), or ("register", i), ("constant", i), ("learned", i).
    """
    cdef ActivationFunction made = ActivationFunction(FORMULA)
    cdef Formula *program = &made.program
    cdef int i
    used = {"instructions": len(instructions), "constants": len(constants), "learned": learned}
    for name, number in used.items():
        if number > LIMITS[name]:
            raise ValueError(f"{name}: expected at most {LIMITS[name]}, got {number}")
    for i, (operator, register, *slots) in enumerate(instructions):
        a, b, c, d = (_slot(*slot) for slot in (*slots, *[("z", 0)] * (4 - len(slots))))
        program.instruction[i] = Instruction(
            operator=OPERATORS[operator], result=_slot("register", register), a=a, b=b, c=c, d=d
        )
    for i, constant in enumerate(constants):
        program.constant[i] = constant
    program.instructions = len(instructions)
    program.constants = len(constants)
    program.learned = learned
    program.result = _slot(*result)
    made.function.program = program
    made.function.steepest = steepest
    return made


def _slot(kind, int number):
    """The number that the machine has for a slot."""
    first, most = {
        "z": (0, 1), "register": (1, REGISTERS), "constant": (FIRST_CONSTANT, CONSTANTS),
        "learned": (FIRST_LEARNED, LEARNED),
    }[kind]
    if not 0 <= number < most:
        raise ValueError(f"{kind}: expected a number below {most}, got {number}")
    return first + number
