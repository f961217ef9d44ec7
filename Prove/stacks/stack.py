"""What an installation is made of, and how it is started, stopped and killed."""

import abc
import subprocess


class Stack(abc.ABC):
    """One installation: nodes, a database, a blob store. The parts know nothing else of it.

    Another kind of installation is another class here and a name in `stacks/__init__.py`.
    """

    #: As it is said on the command line.
    name = ""
    #: What may happen to it in the kill loop, by how often: names in `faults/disturbances.py`.
    disturbances = ()
    #: A 503 says for sure that nothing was done. Where a commit may be in doubt, it does not.
    refusals_are_sure = True

    @property
    @abc.abstractmethod
    def members(self):
        """Its nodes: a list of `Node`."""

    @abc.abstractmethod
    def start(self):
        """Starts all of it and waits until every node is ready. Returns the seconds that took."""

    def bucket(self):
        """Where the nodes share their files; None if a node has them in its folder."""
        return None

    def begun_in_parts(self):
        """How many uploads in parts its nodes have begun at a bucket."""
        return 0

    @property
    def is_running(self):
        """Whether a process of the server is there."""
        return any(node.is_running for node in self.members)

    @abc.abstractmethod
    def kill(self):
        """SIGKILL to every node, and waits for the end."""

    @abc.abstractmethod
    def stop(self):
        """SIGTERM to every node, and waits for the end. Returns the exit status, the worst of all."""

    def addresses(self):
        """(host, port) of every node; they stay the same over restarts."""
        return [node.address for node in self.members]

    @abc.abstractmethod
    def token(self, tenant, user, *roles):
        """A bearer token that is good for the whole run."""

    @abc.abstractmethod
    def rows(self, query):
        """What the database answers to a query that only reads: a list of lists."""

    @abc.abstractmethod
    def audit(self):
        """What is wrong in the stores of a stopped installation: a list of (kind, text)."""

    def broken_seals(self):
        """What the program finds of a stopped installation's audit log, which must be what was sealed: a list of (kind, text)."""
        node = self.members[0]
        done = subprocess.run(
            [node.binary, "audit", "verify", "--data", str(node.data)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env=node.variables())
        return [("wrong bytes", "audit verify: %d %s" % (done.returncode, done.stdout[-500:]))] if done.returncode else []

    @abc.abstractmethod
    def versions(self):
        """What it consists of, in a few words."""

    def engine_stores(self):
        """Where the program that runs the engine alone keeps its rows and blobs, as it takes them; nothing: in its folder."""
        return {}

    def keep(self):
        """Brings what lies elsewhere into its folder, which is kept."""

    def forget(self):
        """Its data were good: what lies outside its folder goes."""
