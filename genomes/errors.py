"""The one exception for what a user wrote and cannot be used."""


class InvalidInput(ValueError):
    """A value from outside is wrong.

    The message names what was read (file, key or block), the value found, what is legal and, where it
    helps, what to do. The command line prints it and exits with code 2.
    """
