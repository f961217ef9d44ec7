"""What an installation is made of, and how it is started, stopped and killed."""

import abc


class Stack(abc.ABC):
    """One installation: nodes, a database, a blob store. The parts know nothing else of it.

    Another kind of installation is another class here and a name in `stacks/__init__.py`.
    """

    #: As it is said on the command line.
    name = ""
    #: How many nodes it has; each has an address.
    nodes = 1

    @abc.abstractmethod
    def start(self, node=0):
        """Starts a node and waits until it is ready. Returns the seconds that took."""

    @property
    @abc.abstractmethod
    def is_running(self):
        """Whether a process of it is there."""

    @abc.abstractmethod
    def kill(self, node=0):
        """SIGKILL, and waits for the end."""

    @abc.abstractmethod
    def stop(self, node=0):
        """SIGTERM, and waits for the end. Returns the exit status."""

    @abc.abstractmethod
    def signal(self, number, node=0):
        """Sends a signal and waits for nothing."""

    @abc.abstractmethod
    def address(self, node=0):
        """(host, port) of a node; it stays the same over restarts."""

    @abc.abstractmethod
    def token(self, tenant, user, *roles):
        """A bearer token that is good for the whole run."""

    @abc.abstractmethod
    def audit(self):
        """What is wrong in the stores of a stopped installation: a list of (kind, text)."""

    @abc.abstractmethod
    def versions(self):
        """What it consists of, in a few words."""

    @abc.abstractmethod
    def log(self):
        """What the nodes have written, as text."""
