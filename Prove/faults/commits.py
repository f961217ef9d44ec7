"""Finds commits in what a client and PostgreSQL say to each other."""

import re

# A statement that is prepared, one that is bound to be run, one in words, and the answer that a transaction was committed.
PARSE = re.compile(rb"P\0\0..([^\0]*)\0COMMIT\0", re.DOTALL)
BIND = re.compile(rb"B\0\0..\0([^\0]*)\0", re.DOTALL)
QUERY = b"Q\0\0\0\x0bCOMMIT\0"
ANSWER = b"C\0\0\0\x0bCOMMIT\0"


class Commits:
    """Those of one connection. A driver prepares the statement once, and then says only the name that it gave it."""

    def __init__(self):
        self.names = set()
        self.tail = b""

    def asks(self, data):
        """Whether bytes of the client ask for a commit."""
        self.names.update(PARSE.findall(data))
        return QUERY in data or (bool(self.names) and any(name in self.names for name in BIND.findall(data)))

    def answers(self, data):
        """Whether bytes of the server are the end of the answer to one."""
        data = self.tail + data
        self.tail = data[1 - len(ANSWER):]
        return ANSWER in data
