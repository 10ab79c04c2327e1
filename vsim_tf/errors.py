"""Errors that a person can mend: scripts print them as one line and exit with code 2."""


class UserError(Exception):
    """A mistake in what was given: the message says what was given, what is accepted, and which flag or file to change."""


class RecordError(UserError):
    """A record that cannot be used: the message names the file, the record's number (from 0) and the video's id."""
