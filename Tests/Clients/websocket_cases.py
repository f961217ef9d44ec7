"""Cases of the WebSocket protocol (RFC 6455) against /ws of a running server, with the outcome that each must have.

The numbers are those of the groups of Autobahn's test suite. Its own fuzzing client can't judge /ws: it wants every message back,
and /ws has a use for JSON texts alone and says nothing to them. So each case is sent here, and what is held against the server is
what the protocol has it do: the pong with the same bytes, the close with the right code, or that the connection goes on, which a
last ping shows. What the server sends is read by PyPI's `websockets`, which refuses frames that are none.

Prints a line for each case that fails, and as the last line "N passed, N failed".
"""

import concurrent.futures
import os
import random
import socket
import struct
import sys

from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.uri import parse_uri

HOST, PORT, TOKEN = "127.0.0.1", int(os.environ["WS_PORT"]), os.environ["WS_TOKEN"]
MESSAGE_BYTES_MAX = 16 << 10
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
OPEN = "goes on"
CASES = []


class Wrong(Exception):
    pass


def frame(opcode, payload=b"", final=True, rsv=0, mask=b"\x12\x34\x56\x78", length=None, form=None):
    """One frame as bytes. `length` and `form` tell another length than the true one, or the true one in another form."""
    length = len(payload) if length is None else length
    form = form or (0 if length < 126 else 2 if length < 1 << 16 else 8)
    head = bytes([(0x80 if final else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    head += {0: lambda: bytes([bit | length]), 2: lambda: bytes([bit | 126]) + struct.pack("!H", length),
             8: lambda: bytes([bit | 127]) + struct.pack("!Q", length)}[form]()
    if not mask:
        return head + payload
    return head + mask + bytes(byte ^ mask[index & 3] for index, byte in enumerate(payload))


def text(size, fill="x"):
    """A message of so many bytes that the server has a use for, or passes over."""
    bare = b'{"type":"note","t":""}'
    return bare[:-2] + fill.encode() * (size - len(bare)) + bare[-2:]


def closing(code, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


class Connection:
    def __init__(self):
        self.protocol = ClientProtocol(parse_uri("ws://%s:%d/ws" % (HOST, PORT)))
        self.sock = socket.create_connection((HOST, PORT), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = self.protocol.connect()
        request.headers["Authorization"] = "Bearer " + TOKEN
        request.headers["Sec-WebSocket-Extensions"] = "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"
        self.protocol.send_request(request)
        for data in self.protocol.data_to_send():
            self.sock.sendall(data)
        self.frames = []
        self.response = self.event()
        if self.response.status_code != 101 or "sec-websocket-extensions" in self.response.headers:
            raise Wrong("the handshake: %r" % self.response)
        ready = self.event()
        if ready is None or ready.opcode != TEXT or b'"ready"' not in ready.data:
            raise Wrong("instead of ready: %r" % ready)

    def event(self):
        """What the server says next; None at the end."""
        while not self.frames:
            data = self.sock.recv(65536)
            if not data:
                self.protocol.receive_eof()
            else:
                self.protocol.receive_data(data)
            if self.protocol.parser_exc is not None and data:
                raise Wrong("a frame that is none: %r" % self.protocol.parser_exc)
            self.frames += self.protocol.events_received()
            if not data and not self.frames:
                return None
        return self.frames.pop(0)

    def send(self, data, piece=None):
        step = piece or len(data) or 1
        for start in range(0, len(data), step):
            self.sock.sendall(data[start:start + step])


def run(sent, expected, pongs, piece):
    connection = Connection()
    try:
        try:
            connection.send(sent, piece)
            if expected == OPEN:
                connection.send(frame(PING, b"alive"))
        except OSError:
            # It may end before all was sent; what it said is judged.
            pass
        wanted = list(pongs) + ([b"alive"] if expected == OPEN else [])
        while wanted:
            found = connection.event()
            if not isinstance(found, Frame) or found.opcode != PONG or bytes(found.data) != wanted[0]:
                raise Wrong("instead of the pong %r: %r" % (wanted[0][:20], found))
            wanted.pop(0)
        if expected == OPEN:
            connection.send(closing(1000))
            expected = (1000,)
        found = connection.event()
        code = struct.unpack("!H", bytes(found.data[:2]))[0] if found is not None and len(found.data) >= 2 else None
        if found is None or found.opcode != CLOSE or code not in expected:
            raise Wrong("instead of a close with one of %s: %r" % (expected, found))
        try:
            connection.send(closing(code) if code else frame(CLOSE))
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            behind = connection.event()
        except ConnectionResetError:
            behind = None
        if behind is not None:
            raise Wrong("something comes behind the close: %r" % behind)
    finally:
        connection.sock.close()


def case(name, sent, expected=OPEN, pongs=(), piece=None):
    CASES.append((name, sent, (expected,) if isinstance(expected, int) else expected, tuple(pongs), piece))


def framing():
    for size in (30, 125, 126, 127, 128, 4096, MESSAGE_BYTES_MAX):
        case("1.1 a text of %d bytes" % size, frame(TEXT, text(size)))
        case("1.1 a text of %d bytes in pieces of 997" % size, frame(TEXT, text(size)), piece=997)
    for size in (30, 126, 128):
        case("1.1 a text of %d bytes, byte by byte" % size, frame(TEXT, text(size)), piece=1)
    case("1.1 an empty text is no JSON", frame(TEXT), 1007)
    for size in (0, 125, 126, 127, 128, 4096):
        case("1.2 %d bytes that are no text" % size, frame(BINARY, b"\xfe" * size), 1003)
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\x01"):
        case("masked with %s" % mask.hex(), frame(TEXT, text(300), mask=mask))
    for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        case("opcode %d without a mask" % opcode, frame(opcode, b"", mask=None), 1002)


def pings():
    for size in range(126):
        case("2.1 to 2.4 a ping of %d bytes" % size, frame(PING, bytes(range(size))), pongs=[bytes(range(size))])
    for form, size in ((2, 126), (2, 127), (2, 65535), (8, 65536)):
        case("2.5 a ping of %d bytes" % size, frame(PING, b"\xfe" * size, form=form), 1002)
    for form in (2, 8):
        case("a ping whose length has %d bytes" % form, frame(PING, b"abc", form=form), 1002)
    case("2.6 a ping of 125 bytes, byte by byte", frame(PING, b"\xfe" * 125), pongs=[b"\xfe" * 125], piece=1)
    case("2.7 a pong that nobody asked for", frame(PONG))
    case("2.8 a pong with bytes", frame(PONG, b"unsolicited"))
    case("2.9 a pong, and a ping", frame(PONG, b"unsolicited") + frame(PING, b"ping"), pongs=[b"ping"])
    ten = [b"payload-%d" % number for number in range(10)]
    for piece in (None, 1):
        case("2.10, 2.11 ten pings, %s" % piece, b"".join(frame(PING, data) for data in ten), pongs=ten, piece=piece)


def reserved():
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
            case("3 reserved bits %d with opcode %d" % (rsv, opcode), frame(opcode, b"", rsv=rsv), 1002)
        behind = frame(TEXT, text(40)) + frame(TEXT, text(40), rsv=rsv) + frame(PING)
        for piece in (None, 1, 5):
            case("3 reserved bits %d behind a text, pieces of %s" % (rsv, piece), behind, 1002, piece=piece)
        fragments = frame(TEXT, text(40)[:9], final=False) + frame(CONTINUATION, text(40)[9:], rsv=rsv)
        case("3 reserved bits %d in a continuation" % rsv, fragments, 1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for payload in (b"", b"reserved"):
            case("4 opcode %d with %d bytes" % (opcode, len(payload)), frame(opcode, payload), 1002)
        behind = frame(TEXT, text(40)) + frame(opcode, b"x") + frame(PING)
        for piece in (None, 1):
            case("4 opcode %d behind a text, pieces of %s" % (opcode, piece), behind, 1002, piece=piece)


def parts(message, cuts, between=b"", opcode=TEXT):
    """A message in fragments, cut at some places, with other frames between them."""
    places = [0, *cuts, len(message)]
    frames = []
    for index, (start, end) in enumerate(zip(places, places[1:])):
        frames.append(frame(opcode if index == 0 else CONTINUATION, message[start:end], final=end == len(message) and index == len(places) - 2))
    return between.join(frames)


def fragments():
    message = text(60, "y")
    for opcode in (PING, PONG, CLOSE):
        case("5.1, 5.2 opcode %d in fragments" % opcode, frame(opcode, b"a", final=False) + frame(CONTINUATION, b"b"), 1002)
    for piece in (None, 1, 7):
        case("5.3 to 5.5 two fragments, pieces of %s" % piece, parts(message, [20]), piece=piece)
        case("5.6 to 5.8 a ping between fragments, pieces of %s" % piece, parts(message, [20], frame(PING, b"mid")), pongs=[b"mid"], piece=piece)
        case("5.9 to 5.14 a continuation of nothing, pieces of %s" % piece,
             frame(CONTINUATION, b"x", final=True) + frame(TEXT, message), 1002, piece=piece)
        case("5.12 one that is not the last, pieces of %s" % piece, frame(CONTINUATION, b"x", final=False) + frame(TEXT, message), 1002, piece=piece)
        case("5.15 a continuation behind a whole message, pieces of %s" % piece,
             parts(message, [20]) + frame(CONTINUATION, b"x", final=False) + frame(TEXT, message), 1002, piece=piece)
        case("5.18 a text within a text, pieces of %s" % piece,
             frame(TEXT, message[:20], final=False) + frame(TEXT, message[20:]), 1002, piece=piece)
        five = [5, 17, 30, 44]
        case("5.19, 5.20 five fragments with pings, pieces of %s" % piece,
             parts(message, five, frame(PING, b"p") + frame(PONG, b"q")), pongs=[b"p"] * 4, piece=piece)
    case("each byte a fragment", parts(message, range(1, len(message))))
    case("each byte a fragment, and a ping between each two", parts(message, range(1, len(message)), frame(PING)), pongs=[b""] * (len(message) - 1))
    case("empty fragments", parts(message, [0, 0, 10, 10, len(message)]))
    case("a close between fragments", frame(TEXT, message[:20], final=False) + closing(1000) + frame(CONTINUATION, message[20:]), 1000)
    case("bytes that are no text in fragments", parts(b"\xfe" * 30, [3, 9], opcode=BINARY), 1003)


VALID = [
    "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0001fffe", "\U0010ffff",
    "κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "\u00a9\u2260\U0001f600", "\u200b\u200e\u202e",
]
INVALID = [
    b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80" * 4, b"\xc0 ", b"\xdf ", b"\xe0 ", b"\xef ", b"\xf0 ", b"\xf7 ", b"\xf8 ",
    b"\xfc ", b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfe", b"\xff",
    b"\xfe\xfe\xff\xff", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf",
    b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf", b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xed\xa0\x80",
    b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
]


def encoding():
    def around(data):
        return b'{"type":"note","t":"' + data + b'"}'

    for number, letters in enumerate(VALID):
        message = around(letters.encode())
        case("6 valid text %d" % number, frame(TEXT, message))
        for cut in range(20, len(message) - 1):
            case("6 valid text %d cut at %d" % (number, cut), parts(message, [cut]))
        case("6 valid text %d, each byte a fragment, byte by byte" % number, parts(message, range(1, len(message))), piece=1)
    for number, data in enumerate(INVALID):
        message = around(data)
        case("6 text that is no UTF-8, %d" % number, frame(TEXT, message), 1007)
        case("6 text that is no UTF-8, %d, each byte a fragment" % number, parts(message, range(1, len(message))), 1007)
        # What can't become text any more is refused before the message is over.
        case("6.4 no UTF-8, %d, and the message is not over" % number, frame(TEXT, message, final=False), 1007)
    letters = around("plain ü € 😀 text".encode())
    for place in range(len(letters) + 1):
        for bad in (b"\xff", b"\xc0\xaf"):
            message = letters[:place] + bad + letters[place:]
            case("6 %s at byte %d" % (bad.hex(), place), frame(TEXT, message), 1007)
    case("6 a text that ends within a letter", frame(TEXT, around(b"")[:-2] + b"\xf0\x9f\x98"), 1007)


def closes():
    case("7.1.1 a text, and a close", frame(TEXT, text(40)) + closing(1000), 1000)
    case("7.1.2 two closes", closing(1000) + closing(1000), 1000)
    case("7.1.3 a ping behind a close", closing(1000) + frame(PING, b"late"), 1000)
    case("7.1.4 a text behind a close", closing(1000) + frame(TEXT, text(40)), 1000)
    case("7.1.5 a fragment, a close, and the rest",
         frame(TEXT, text(40)[:9], final=False) + closing(1000) + frame(CONTINUATION, text(40)[9:]), 1000)
    case("7.3.1 a close that says nothing", frame(CLOSE), (1000, None))
    case("7.3.2 a close with one byte", frame(CLOSE, b"a"), 1002)
    for size in (0, 11, 123):
        case("7.3.3 to 7.3.5 a reason of %d bytes" % size, closing(1000, b"*" * size), 1000)
    case("7.3.6 a reason of 124 bytes", frame(CLOSE, b"\x03\xe8" + b"*" * 124, form=2), 1002)
    for data in (b"\xff", b"\xce\xba\xed\xa0\x80", b"\xc0\xaf", b"\xf0\x9f\x98"):
        case("7.5.1 a reason that is no UTF-8: %s" % data.hex(), closing(1000, data), (1002, 1007))
    case("a reason with letters of all lengths", closing(1000, "aü€😀".encode()), 1000)
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        for reason in (b"", b"because"):
            case("7.7 close code %d with %d bytes" % (code, len(reason)), closing(code, reason), code)
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        for reason in (b"", b"because"):
            case("7.9, 7.13 close code %d with %d bytes" % (code, len(reason)), closing(code, reason), 1002)
    case("7 a close, byte by byte", closing(1001, b"going"), 1001, piece=1)


def limits():
    most = MESSAGE_BYTES_MAX
    for size in (most + 1, 65535, 65536, 1 << 20):
        case("9.1 a text of %d bytes" % size, frame(TEXT, b"x" * size), 1009)
        case("9.2 %d bytes that are no text" % size, frame(BINARY, b"x" * size), 1009)
    for size in (1 << 32, (1 << 63) - 1):
        case("a frame that says %d bytes" % size, frame(TEXT, b"x", length=size), 1009)
    for size in (1 << 63, (1 << 64) - 1):
        case("a length with its highest bit, %d" % size, frame(TEXT, b"x", length=size), 1002)
    for step in (64, 256, 1024, 4096):
        message = text(most)
        case("9.3 a text in fragments of %d" % step, parts(message, range(step, most, step)))
        larger = text(most + step)
        case("9.4 a text in fragments of %d that is too large" % step, parts(larger, range(step, len(larger), step)), 1009)
    for step in (1, 64, 1024):
        case("9.5, 9.6 a text of 4096 bytes in pieces of %d" % step, frame(TEXT, text(4096)), piece=step)
    for size, form in ((0, 2), (125, 2), (0, 8), (126, 8), (65535, 8)):
        case("a length of %d written in %d bytes" % (size, form), frame(TEXT, b"x" * size, form=form), 1002)
    for bytes in (1, 2, 3, 5, 9, 13):
        head = frame(PING, b"whole", form=0)
        case("a frame that comes in two pieces, cut at %d" % bytes, head, pongs=[b"whole"], piece=bytes)
    case("9.7 a hundred texts", frame(TEXT, text(64)) * 100)
    case("9.8 a hundred texts and pings", (frame(TEXT, text(64)) + frame(PING, b"n")) * 100, pongs=[b"n"] * 100, piece=1000)
    rng = random.Random(42)
    for number in range(8):
        message = text(rng.randint(30, 3000))
        cuts = sorted(rng.sample(range(1, len(message)), min(20, len(message) - 2)))
        case("10 a text cut at random, %d" % number, parts(message, cuts, frame(PING, b"r")), pongs=[b"r"] * len(cuts), piece=rng.randint(1, 40))


def judge(one):
    name, sent, expected, pongs, piece = one
    try:
        run(sent, expected, pongs, piece)
        return None
    except Wrong as wrong:
        return "FAILED  %s: %s" % (name, wrong)
    except Exception as error:
        return "FAILED  %s: %r" % (name, error)


def main():
    for group in (framing, pings, reserved, fragments, encoding, closes, limits):
        group()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        failures = [failure for failure in pool.map(judge, CASES) if failure]
    print("\n".join(failures[:40] + ["%d passed, %d failed" % (len(CASES) - len(failures), len(failures))]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
