"""What an operator is told, in one sentence, instead of a traceback."""


class OpsError(Exception):
    """A mistake or a state of the machine that the operator can mend.

    The message says what is wrong and what to do; `ic` prints it and exits with code 1.
    """
