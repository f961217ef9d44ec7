"""HTTP calls that say how far they came."""

import http.client
import json
import socket


class NotSent(Exception):
    """Nothing was sent: it has had no effect."""


class Lost(Exception):
    """It was sent, and its answer did not come: it may have had its effect, or not."""


class Hung(Lost):
    """Nothing came within the time that any answer may take."""


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        try:
            return self.json.get("code")
        except ValueError:
            return None

    def __repr__(self):
        return "%d %s" % (self.status, self.body[:300])


class FinalResponse(http.client.HTTPResponse):
    """Passes over interim answers, of which the library knows 100 alone."""

    def _read_status(self):
        while True:
            version, status, reason = super()._read_status()
            if not 100 < status < 200 or status == 101:
                return version, status, reason
            http.client.parse_headers(self.fp)


class Client:
    """One user's calls. A connection is kept for the next call; each client is used by one thread."""

    TIMEOUT = 60

    def __init__(self, addresses, token, chance=None):
        """`addresses` of nodes, each a (host, port). With several of them, `chance` says when it goes to another one."""
        self.addresses, self.token, self.chance = list(addresses), token, chance
        self.place = chance.randrange(len(self.addresses)) if chance else 0
        self.connection = None

    def hop(self):
        """Goes to the next node, if there is another one."""
        if len(self.addresses) > 1:
            self.close()
            self.place = (self.place + 1) % len(self.addresses)

    def call(self, method, path, body=None, headers=None):
        # Each node must know at once what another one has answered.
        if self.chance and self.chance.random() < 0.3:
            self.hop()
        fields = {"authorization": "Bearer " + self.token, **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            fields.setdefault("content-type", "application/json")
        fresh = self.connection is None
        if fresh:
            self.connection = self._connect()
        try:
            self.connection.request(method, path, body, fields)
            response = self.connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
            if response.will_close:
                self.close()
            return answer
        except socket.timeout:
            self.close()
            raise Hung("%s %s" % (method, path))
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost("%s %s: %r" % (method, path, error))

    def stream(self, method, path, headers=None):
        """The answer before its body, on a connection of its own."""
        connection = self._connect()
        try:
            connection.request(method, path, None, {"authorization": "Bearer " + self.token, **(headers or {})})
            return connection, connection.getresponse()
        except socket.timeout:
            connection.close()
            raise Hung("%s %s" % (method, path))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Lost("%s %s: %r" % (method, path, error))

    def _connect(self):
        connection = http.client.HTTPConnection(*self.addresses[self.place], timeout=self.TIMEOUT)
        connection.response_class = FinalResponse
        try:
            connection.connect()
        except OSError as error:
            raise NotSent(repr(error))
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
