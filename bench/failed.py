"""The one error of a run: what went wrong, in a line for people."""


class Failed(Exception):
    pass
