"""Errors for operators: one sentence instead of a traceback."""


class OpsError(Exception):
    """A mistake or a state of the machine that the operator can mend.

    The message names the fault and the remedy; `ic` prints it and exits with code 1.
    """
