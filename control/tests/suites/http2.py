"""Cases of RFC 9113 sections 5 to 8: what a peer may not do, on a connection of its own each. Prints a line per case:
pass, FAIL, code (an error of the connection, as it should be, with the general code instead of the particular one), known (see KNOWN).

Usage: http2.py PORT (HTTP/2 without TLS, prior knowledge)
"""

import socket
import struct
import sys

from hpack import Encoder
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 1, 3, 5, 6
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11
GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.test")]
POST = [(":method", "POST")] + GET[1:]


def frame(kind, flags, stream, payload=b"", length=None):
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(fields):
    return Encoder().encode(fields, huffman=False)


def headers(fields, stream=1, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, block(fields))


def settings(identifier, value):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", identifier, value))


class Peer:
    def __init__(self, port, preface=PREFACE + frame(SETTINGS, 0, 0)):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.sendall(preface)
        self.buffer = b""

    def send(self, *frames):
        try:
            self.socket.sendall(b"".join(frames))
        except OSError:
            pass

    def frames(self):
        """All that comes, to the end of the connection or five seconds of silence."""
        while True:
            while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
                try:
                    more = self.socket.recv(65536)
                except OSError:
                    return
                if not more:
                    return
                self.buffer += more
            known, length = Frame.parse_frame_header(memoryview(self.buffer[:9]))
            known.parse_body(memoryview(self.buffer[9 : 9 + length]))
            self.buffer = self.buffer[9 + length :]
            yield known

    def end(self):
        """How the peer took it: ("goaway", code), ("reset", code), ("status", text), ("closed", None)."""
        for known in self.frames():
            if isinstance(known, GoAwayFrame) and known.error_code:
                return ("goaway", known.error_code)
            if isinstance(known, RstStreamFrame) and known.error_code:
                return ("reset", known.error_code)
            if isinstance(known, HeadersFrame):
                from hpack import Decoder

                return ("status", dict(Decoder().decode(known.data))[":status"])
        return ("closed", None)


def connection(*codes):
    """An error of the connection; the connection may also just be closed (section 5.4.1)."""
    return lambda end: end[0] == "closed" or (end[0] == "goaway" and end[1] in codes)


def stream(*codes):
    """An error of the stream, which may be treated as one of the connection, or an answer that says so (section 8.1.1)."""
    return lambda end: end[0] in ("reset", "goaway") and end[1] in codes or end in (("status", "400"), ("closed", None))


def status(text):
    return lambda end: end == ("status", text)


def extra(*more):
    return headers(GET + list(more))


def without(name):
    return headers([field for field in GET if field[0] != name])


# What the h2 library does otherwise: it has one code for most errors of a connection, and drops pseudo fields of trailers without a word.
KNOWN = {"8.3 pseudo field in trailers": ("status", "200")}

BAD = stream(PROTOCOL_ERROR)
WRONG = connection(PROTOCOL_ERROR)
SIZE = connection(FRAME_SIZE_ERROR)
CASES = [
    ("5.1 idle: DATA", [frame(DATA, END_STREAM, 1, b"x")], WRONG),
    ("5.1 idle: RST_STREAM", [frame(RST_STREAM, 0, 1, b"\0\0\0\x08")], WRONG),
    ("5.1 idle: WINDOW_UPDATE", [frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x64")], WRONG),
    ("5.1 idle: CONTINUATION", [frame(CONTINUATION, END_HEADERS, 1, block(GET))], WRONG),
    ("5.1 half closed: DATA", [headers(GET), frame(DATA, END_STREAM, 1, b"x")], connection(STREAM_CLOSED)),
    ("5.1.1 even identifier", [headers(GET, 2)], WRONG),
    ("5.1.1 smaller identifier", [headers(GET, 5), headers(GET, 3)], connection(PROTOCOL_ERROR, STREAM_CLOSED)),
    ("5.4.1 after GOAWAY of ours a PING", [frame(GOAWAY, 0, 0, bytes(8)), frame(PING, 0, 0, bytes(8))], connection(0)),
    ("5.5 unknown frame", [frame(0xFA, 0, 0, b"?"), headers(GET)], status("200")),
    ("5.5 unknown frame within a head", [headers(GET, 1, END_STREAM), frame(0xFA, 0, 1)], WRONG),
    ("6.1 DATA on stream 0", [frame(DATA, 0, 0, b"x")], WRONG),
    ("6.1 too much padding", [headers(POST, 1, END_HEADERS), frame(DATA, PADDED, 1, b"\x09ab")], WRONG),
    ("6.2 HEADERS on stream 0", [headers(GET, 0)], WRONG),
    ("6.2 other frame within a head", [headers(GET, 1, END_STREAM), frame(PING, 0, 0, bytes(8))], WRONG),
    ("6.2 too much padding", [frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, b"\xff" + block(GET))], WRONG),
    ("6.3 PRIORITY of 4 bytes", [headers(POST, 1, END_HEADERS), frame(PRIORITY, 0, 1, bytes(4))], stream(FRAME_SIZE_ERROR)),
    ("6.3 PRIORITY on stream 0", [frame(PRIORITY, 0, 0, bytes(5))], WRONG),
    ("6.4 RST_STREAM on stream 0", [frame(RST_STREAM, 0, 0, b"\0\0\0\x08")], WRONG),
    ("6.4 RST_STREAM of 3 bytes", [headers(POST, 1, END_HEADERS), frame(RST_STREAM, 0, 1, bytes(3))], SIZE),
    ("6.5 SETTINGS with ACK and content", [frame(SETTINGS, ACK, 0, bytes(6))], SIZE),
    ("6.5 SETTINGS on stream 1", [frame(SETTINGS, 0, 1)], WRONG),
    ("6.5 SETTINGS of 3 bytes", [frame(SETTINGS, 0, 0, bytes(3))], SIZE),
    ("6.5.2 ENABLE_PUSH 2", [settings(2, 2)], WRONG),
    ("6.5.2 INITIAL_WINDOW_SIZE 2^31", [settings(4, 1 << 31)], connection(FLOW_CONTROL_ERROR)),
    ("6.5.2 MAX_FRAME_SIZE 2^14 - 1", [settings(5, (1 << 14) - 1)], WRONG),
    ("6.5.2 MAX_FRAME_SIZE 2^24", [settings(5, 1 << 24)], WRONG),
    ("6.5.2 unknown", [settings(0xFF, 1), headers(GET)], status("200")),
    ("6.6 PUSH_PROMISE of a client", [headers(POST, 1, END_HEADERS), frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2" + block(GET))], WRONG),
    ("6.7 PING on stream 1", [frame(PING, 0, 1, bytes(8))], WRONG),
    ("6.7 PING of 6 bytes", [frame(PING, 0, 0, bytes(6))], SIZE),
    ("6.8 GOAWAY on stream 1", [frame(GOAWAY, 0, 1, bytes(8))], WRONG),
    ("6.9 WINDOW_UPDATE 0 of the connection", [frame(WINDOW_UPDATE, 0, 0, bytes(4))], WRONG),
    ("6.9 WINDOW_UPDATE 0 of a stream", [headers(POST, 1, END_HEADERS), frame(WINDOW_UPDATE, 0, 1, bytes(4))], BAD),
    ("6.9 WINDOW_UPDATE of 3 bytes", [frame(WINDOW_UPDATE, 0, 0, bytes(3))], SIZE),
    ("6.9.1 window above 2^31 - 1", [frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")] * 2, connection(FLOW_CONTROL_ERROR)),
    ("6.10 CONTINUATION on stream 0", [headers(GET, 1, END_STREAM), frame(CONTINUATION, END_HEADERS, 0)], WRONG),
    ("6.10 CONTINUATION after the head", [headers(GET, 1, END_HEADERS), frame(CONTINUATION, END_HEADERS, 1)], WRONG),
    ("4.2 frame above MAX_FRAME_SIZE", [headers(POST, 1, END_HEADERS), frame(DATA, 0, 1, bytes(20000))], stream(FRAME_SIZE_ERROR)),
    ("4.3 head that cannot be decompressed", [frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff\xff\xff")], connection(COMPRESSION_ERROR)),
    ("8.1 second HEADERS without END_STREAM", [headers(POST, 1, END_HEADERS), headers([("x", "y")], 1, END_HEADERS)], BAD),
    ("8.1.1 more DATA than content-length", [headers(POST + [("content-length", "1")], 1, END_HEADERS), frame(DATA, END_STREAM, 1, b"four")], BAD),
    ("8.1.1 less DATA than content-length", [headers(POST + [("content-length", "9")], 1, END_HEADERS), frame(DATA, END_STREAM, 1, b"four")], BAD),
    ("8.2.1 upper case", [extra(("X-Upper", "y"))], BAD),
    ("8.2.1 line break in a value", [extra(("x", "a\r\nb: c"))], BAD),
    ("8.2.2 connection", [extra(("connection", "keep-alive"))], BAD),
    ("8.2.2 transfer-encoding", [extra(("transfer-encoding", "chunked"))], BAD),
    ("8.2.2 te other than trailers", [extra(("te", "gzip"))], BAD),
    ("8.2.2 te: trailers", [extra(("te", "trailers"))], status("200")),
    ("8.3 unknown pseudo field", [extra((":other", "x"))], BAD),
    ("8.3 pseudo field of responses", [extra((":status", "200"))], BAD),
    ("8.3 pseudo field after others", [headers(GET[:3] + [("x", "y"), GET[3]])], BAD),
    ("8.3 pseudo field in trailers", [headers(POST, 1, END_HEADERS), headers([(":path", "/")])], BAD),
    ("8.3.1 no :method", [without(":method")], BAD),
    ("8.3.1 no :scheme", [without(":scheme")], BAD),
    ("8.3.1 no :path", [without(":path")], BAD),
    ("8.3.1 empty :path", [headers(GET[:2] + [(":path", ""), GET[3]])], BAD),
    ("8.3.1 :method twice", [headers(GET[:1] + GET)], BAD),
    ("8.3.1 :path twice", [headers(GET[:3] + GET[2:])], BAD),
    ("8.5 CONNECT with :path", [headers([(":method", "CONNECT")] + GET[2:])], lambda end: BAD(end) or end == ("status", "405")),
    ("a request", [headers(GET)], status("200")),
    ("a request in two frames", [frame(HEADERS, END_STREAM, 1, block(GET)[:4]), frame(CONTINUATION, END_HEADERS, 1, block(GET)[4:])], status("200")),
]


def main():
    port, failed = int(sys.argv[1]), 0
    for name, frames, good in CASES:
        peer = Peer(port)
        peer.send(*frames)
        if name.startswith("5.4.1"):
            end = ("closed", None) if any(isinstance(known, PingFrame) for known in peer.frames()) else ("no answer", None)
        else:
            end = peer.end()
        if good(end):
            verdict = "pass"
        elif end == ("goaway", PROTOCOL_ERROR):
            verdict = "code"
        else:
            verdict = "known" if KNOWN.get(name) == end else "FAIL"
        failed += verdict == "FAIL"
        print(f"{verdict:5}", name, "->", *end)
    peer = Peer(port, b"GET / HTTP/2.0\r\n\r\n" + bytes(64))
    end = peer.socket.recv(9)
    print("pass  3.4 no preface ->", end[:9])
    print(f"{len(CASES)} cases, {failed} failed")
    sys.exit(failed > 0)


main()
