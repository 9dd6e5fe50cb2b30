"""Errors for operators: one sentence instead of a traceback."""


class OpsError(Exception):
    """An operator's mistake, or a state of the machine that the operator can repair.

    The message names the fault and the remedy; `ic` prints it and exits with code 1.
    """
