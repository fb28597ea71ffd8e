"""The one exception that a user is meant to read."""


class InputError(Exception):
    """Bad input: the message names the file, what was found, what was expected and what to do.

    The rules' scripts show the message alone, without a traceback.
    """
