"""A link between two programs: a TCP proxy on loopback that can be cut, stalled and refused."""

import collections
import selectors
import socket
import struct
import threading

CHUNK = 1 << 16
# So much may wait for one side that does not take it.
HELD_MAX = 1 << 20


class End:
    """One side of a connection, and the bytes that it is still to get."""

    def __init__(self, sock):
        self.sock = sock
        self.held = bytearray()
        self.other = None
        self.pair = None
        # It sends nothing more; it is to get nothing more.
        self.has_ended = self.is_closing = False
        self.events = 0


class Pair:
    """A connection that goes through."""

    def __init__(self, client, server, commits):
        self.client, self.server, self.commits = End(client), End(server), commits
        self.client.other, self.server.other = self.server, self.client
        self.client.pair = self.server.pair = self
        self.swallows = False


class Link(threading.Thread):
    """Listens on a port of its own, and passes what comes to `target`: a (host, port), or the path of a socket."""

    def __init__(self, target, commits=None, counts=None):
        """`commits`: makes what finds commits on a connection, if that is known of what goes through.

        `counts`: a pattern; how often clients have said it is `counted`.
        """
        super().__init__(name="link", daemon=True)
        self.target, self.commits, self.counts, self.counted = target, commits, counts, 0
        self.selector = selectors.DefaultSelector()
        self.orders = collections.deque()
        self.bell, ear = socket.socketpair()
        ear.setblocking(False)
        self.selector.register(ear, selectors.EVENT_READ, self._obey)
        self.pairs = set()
        self.port = 0
        self.is_stalled = False
        self.bait, self.passes_bait = None, True
        self.loses_commit = self.loses_commit_answer = self.refuses_then = False
        # Answers and requests that were thrown away, and connections that were ended by force.
        self.swallowed = self.reset = 0
        self._listen()
        self.start()

    # What can be done to it, from any thread

    def cut(self):
        """Resets every connection. New ones go through."""
        self._order(self._reset_all)

    def stall(self):
        """Nothing goes through any more, and nobody is told: not even that of a new connection."""
        self._order(self._stall)

    def refuse(self):
        """Resets every connection, and takes no new one."""
        self._order(self._refuse)

    def swallow(self, bait, passes_bait=True):
        """The next bytes of a client that have `bait` in them arrive, and then the link breaks and their answer is lost.

        If `passes_bait` is false, they themselves are lost.
        """
        def act():
            self.bait, self.passes_bait = bait, passes_bait
        self._order(act)

    def lose_commit(self, answer, refuses_then=False):
        """The next request for a commit is lost, or the answer to the next one that was done, and its connection is ended.

        With `refuses_then` the link takes no connection from that moment on.
        """
        def act():
            self.loses_commit, self.loses_commit_answer, self.refuses_then = not answer, answer, refuses_then
        self._order(act)

    def heal(self):
        self._order(self._heal)

    def close(self):
        self._order(self._refuse)

    def _order(self, act):
        done = threading.Event()
        self.orders.append((act, done))
        self.bell.send(b"!")
        if not done.wait(30):
            raise RuntimeError("a link does not obey")

    # Its own thread

    def run(self):
        while True:
            for key, events in self.selector.select():
                key.data(key.fileobj, events)

    def _obey(self, ear, _):
        ear.recv(4096)
        while self.orders:
            act, done = self.orders.popleft()
            act()
            done.set()

    def _listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def _stall(self):
        self.is_stalled = True
        self._watch_all()

    def _refuse(self):
        self._reset_all()
        if self.listener is not None:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None

    def _heal(self):
        self.is_stalled, self.bait = False, None
        self.loses_commit = self.loses_commit_answer = self.refuses_then = False
        if self.listener is None:
            self._listen()
        self._watch_all()

    def _watch_all(self):
        for pair in self.pairs:
            self._watch(pair.client)
            self._watch(pair.server)

    def _reset_all(self):
        for pair in list(self.pairs):
            self._end(pair, resets=True)

    def _accept(self, listener, _):
        try:
            client, _ = listener.accept()
        except OSError:
            return
        server = socket.socket(socket.AF_UNIX if isinstance(self.target, str) else socket.AF_INET)
        try:
            # Both are on this machine: there is no waiting.
            server.connect(self.target)
        except OSError:
            server.close()
            _reset(client)
            return
        for sock in (client, server):
            sock.setblocking(False)
            if sock.family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(client, server, self.commits() if self.commits else None)
        self.pairs.add(pair)
        self._watch(pair.client)
        self._watch(pair.server)

    def _watch(self, end):
        """Waits for what can be done with a side now."""
        if end.pair not in self.pairs:
            return
        events = 0
        if not self.is_stalled:
            if not end.has_ended and len(end.other.held) < HELD_MAX:
                events |= selectors.EVENT_READ
            if end.held or end.is_closing:
                events |= selectors.EVENT_WRITE
        if events == end.events:
            return
        if end.events == 0:
            self.selector.register(end.sock, events, lambda _, ready: self._serve(end, ready))
        elif events == 0:
            self.selector.unregister(end.sock)
        else:
            self.selector.modify(end.sock, events, lambda _, ready: self._serve(end, ready))
        end.events = events

    def _serve(self, end, ready):
        pair = end.pair
        if pair not in self.pairs or self.is_stalled:
            return
        try:
            if ready & selectors.EVENT_READ:
                self._read(end)
            if pair in self.pairs and ready & selectors.EVENT_WRITE:
                self._write(end)
        except BlockingIOError:
            pass
        except OSError:
            self._end(pair, resets=True)
        self._watch(end)
        self._watch(end.other)

    def _read(self, end):
        pair = end.pair
        data = end.sock.recv(CHUNK)
        if not data:
            end.has_ended = end.other.is_closing = True
        elif end is pair.server and pair.swallows:
            self.swallowed += 1
            self._end(pair, resets=True)
        elif pair.commits and self._is_lost_commit(end, data):
            self.swallowed += 1
            self.loses_commit = self.loses_commit_answer = False
            self._refuse() if self.refuses_then else self._end(pair, resets=True)
        else:
            if self.bait is not None and end is pair.client and self.bait in data:
                self.bait, pair.swallows = None, True
                if not self.passes_bait:
                    self.swallowed += 1
                    self._end(pair, resets=True)
                    return
            if self.counts and end is pair.client:
                self.counted += len(self.counts.findall(data))
            end.other.held += data

    def _is_lost_commit(self, end, data):
        # All is looked at: of what is asked for now, the name may have been given long ago.
        if end is end.pair.client:
            return end.pair.commits.asks(data) and self.loses_commit
        return end.pair.commits.answers(data) and self.loses_commit_answer

    def _write(self, end):
        if end.held:
            sent = end.sock.send(end.held)
            del end.held[:sent]
        if end.is_closing and not end.held:
            end.is_closing = False
            end.sock.shutdown(socket.SHUT_WR)
            if end.has_ended:
                self._end(end.pair, resets=False)

    def _end(self, pair, resets):
        if pair not in self.pairs:
            return
        self.pairs.remove(pair)
        for end in (pair.client, pair.server):
            if end.events:
                self.selector.unregister(end.sock)
                end.events = 0
            _reset(end.sock) if resets else end.sock.close()
        self.reset += resets


def _reset(sock):
    if sock.family == socket.AF_INET:
        # What is still to be sent is thrown away, and the other side is told so.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
