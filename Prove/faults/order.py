"""Holds a trace of system calls against the order in which bytes have to become durable."""

import re

LINE = re.compile(r"^(?P<pid>\d+)\s+(?P<call>\w+)\((?P<args>.*)$")
RESUMED = re.compile(r"^(?P<pid>\d+)\s+<\.\.\. (?P<call>\w+) resumed>")
PATH = re.compile(r"^\d+<(?P<path>[^>]*)>")
RENAME = re.compile(r'^"(?P<from>[^"]*)", "(?P<to>[^"]*)"|^[^,]*, "(?P<from2>[^"]*)", [^,]*, "(?P<to2>[^"]*)"')
FRAME = re.compile(r'^[^"]*"(?P<bytes>(?:\\.|[^"\\])*)"')
NAMING = ("rename", "renameat", "renameat2", "link", "linkat")
CALLS = "trace=write,writev,pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat,sendto,sendmsg"


class OrderCheck:
    """Follows a trace and notes what is out of order.

    - A file is synced after its last write and before it gets its name.
    - A folder is synced after a file got its name there, before the next commit begins.
    - No answer that says 2xx to a change leaves while the log has unsynced writes of its commit, or a file that is being filled has
      unsynced bytes.
    """

    def __init__(self, data, answers=True, names=True, aside=()):
        """`answers`, `names`: whether these two belong to the commit before and behind them, as they do where nobody else commits.

        `aside`: pages of the database that no answer waits for. A commit that begins with one of them does not count.
        """
        self.data = str(data)
        self.answers, self.names, self.aside = answers, names, set(aside)
        self.dirty = set()         # files with bytes that are not synced
        self.unnamed = {}          # folders with a new name that is not synced
        self.log_is_dirty = False
        self.early = set()         # names that were not synced when the next commit began to be written
        self.begun = {}            # calls that another thread's line has interrupted
        self.broken = []
        self.counts = {"files": 0, "commits": 0, "answers": 0}

    def read(self, lines):
        for line in lines:
            resumed = RESUMED.match(line)
            if resumed:
                call = self.begun.pop(resumed["pid"], None)
                if call is not None and call[0] in ("fsync", "fdatasync", *NAMING):
                    self.call(*call)
                continue
            match = LINE.match(line)
            if not match:
                continue
            call, args = match["call"], match["args"]
            if "<unfinished ...>" in line:
                self.begun[match["pid"]] = (call, args)
                if call in ("fsync", "fdatasync", *NAMING):
                    continue  # counts once it has ended
            self.call(call, args)
        return self.broken

    def call(self, call, args):
        if call in NAMING:
            return self.renamed(args)
        path = PATH.match(args)
        path = path["path"] if path else ""
        if call in ("fsync", "fdatasync"):
            self.synced(path)
        elif path.startswith(self.data):
            if path.endswith("waybill.db-wal"):
                if first_page(args) in self.aside:
                    return
                if not self.log_is_dirty:
                    self.early = set(self.unnamed.values())
                self.log_is_dirty = True
            self.dirty.add(path)
        elif "HTTP/1.1 2" in args and ("TCP" in path or "socket" in path):
            unsynced = [path for path in self.dirty if "/staged/" in path]
            if unsynced:
                self.broken.append("an answer left before the bytes of %s were synced: %s" % (unsynced, args[:120]))
            self.counts["answers"] += 1
            if self.answers and self.log_is_dirty:
                self.broken.append("an answer left before the commit was synced: %s" % args[:120])

    def synced(self, path):
        self.dirty.discard(path)
        self.unnamed.pop(path, None)
        if path.endswith("waybill.db-wal"):
            self.counts["commits"] += 1
            self.log_is_dirty = False
            # Of a file that got its name while this commit was on its way, another commit will tell.
            for folder, name in list(self.unnamed.items()):
                if self.names and name in self.early:
                    self.broken.append("committed before the name of %s was synced" % name)
                    del self.unnamed[folder]

    def renamed(self, args):
        match = RENAME.match(args)
        if not match:
            return
        source, target = match["from"] or match["from2"], match["to"] or match["to2"]
        if not target.startswith(self.data + "/"):
            return
        self.counts["files"] += 1
        if source in self.dirty:
            self.broken.append("%s got its name before its bytes were synced" % target)
        self.dirty.discard(source)
        self.unnamed[target.rsplit("/", 1)[0]] = target


def first_page(args):
    """The number of the first page that is written to the log. Those of a commit are in their order."""
    return int.from_bytes(FRAME.match(args)["bytes"].encode().decode("unicode_escape").encode("latin-1")[:4], "big")
