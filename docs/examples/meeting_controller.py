"""A Meeting Controller of darktower on aioquic: python3 meeting_controller.py 127.0.0.1:4433"""
import asyncio, base64, datetime, hashlib, hmac, json, sys, time, uuid
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived, WebTransportStreamDataReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SECRET = b"example"
ROOM, SMALL, ENDED = (f"6d656574-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
CAPACITY = {ROOM: 100, SMALL: 2, ENDED: 0}
INVALID, UNAUTHORIZED, NOT_FOUND, CONFLICT, FULL = 1, 2, 4, 5, 7
present = {meeting: {} for meeting in CAPACITY}  # participant id: its Session
streams = {meeting: {} for meeting in CAPACITY}  # stream id: (participant id, MediaStream)
lost = {}  # (meeting, user): (participant id, until when it may come back)

def varint(data, at):
    value = shift = 0
    while True:
        byte, at = data[at], at + 1  # an IndexError is a message cut short
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128: return value, at

def decode(data):
    """Protobuf: {field number: last value}."""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0: value, at = varint(data, at)
        else:
            size, at = varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
            value, at = data[at:at + size], at + size
        if at > len(data) or key < 8: raise ValueError
        fields[key >> 3] = value
    return fields

def encode(*fields):
    number = lambda n: bytes([n]) if n < 128 else bytes([n & 127 | 128]) + number(n >> 7)
    packed = lambda key, v: number(key << 3) + number(v) if isinstance(v, int) else number(key << 3 | 2) + number(len(v)) + v
    return b"".join(packed(key, v.encode() if isinstance(v, str) else v) for key, v in fields)

b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
unb64 = lambda text: base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
signed = lambda text: b64(hmac.digest(SECRET, text, hashlib.sha256))

def token(user, meeting, use):
    now = int(time.time())
    claims = {"sub": user, "mid": meeting, "use": use, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
    text = b64(b'{"alg":"HS256","typ":"JWT"}') + b"." + b64(json.dumps(claims).encode())
    return text + b"." + signed(text)

def user_of(text, meeting):
    """Who may join the meeting by this token (DT-S-06)."""
    head, claims, signature = text.split(b".")
    if not hmac.compare_digest(signed(head + b"." + claims), signature): raise ValueError
    head, claims = json.loads(unb64(head)), json.loads(unb64(claims))
    if head["alg"] != "HS256" or claims["exp"] <= time.time(): raise ValueError
    if claims["mid"] != meeting or claims["use"] != "join": raise ValueError
    return claims["sub"]

class Session(QuicConnectionProtocol):
    http = session = stream = me = None

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated): self.leave(2 if event.reason_phrase == "Idle timeout" else 0)
        if isinstance(event, StreamReset) and event.stream_id == self.session: self.leave(0)
        self.http = self.http or H3Connection(self._quic, enable_webtransport=True)
        for it in self.http.handle_event(event):
            if isinstance(it, HeadersReceived):
                fields = dict(it.headers)
                fits = (fields.get(b":protocol"), fields.get(b":path")) == (b"webtransport", b"/wt")
                self.session, self.data = it.stream_id if fits else self.session, b""
                self.http.send_headers(it.stream_id, [(b":status", b"200" if fits else b"404")], end_stream=not fits)
            elif isinstance(it, DataReceived) and it.stream_id == self.session and it.stream_ended: self.leave(0)
            elif isinstance(it, WebTransportStreamDataReceived) and self.stream in (None, it.stream_id):
                self.stream, self.data = it.stream_id, self.data + it.data
                self.read()
        self.transmit()

    def read(self):
        while len(self.data) >= 4 and self.session is not None:
            size = int.from_bytes(self.data[:4], "big")
            if not 1 <= size <= 65536: return self.refuse("a length that no message has")
            if len(self.data) < 4 + size: return
            message, self.data = self.data[4:4 + size], self.data[4 + size:]
            try: [(kind, body)] = [(kind, decode(body)) for kind, body in decode(message).items() if kind <= 5]
            except (ValueError, IndexError, KeyError, TypeError): return self.refuse("no message")
            if (kind == 1) == (self.me is not None): return self.refuse("a join comes first, and once")
            self.join(body) if kind == 1 else self.heard(kind, body, message)

    def say(self, kind, body):
        message = encode((kind, body))
        self._quic.send_stream_data(self.stream, len(message).to_bytes(4, "big") + message)
        self.transmit()

    def error(self, code, text): self.say(6, encode((1, code), (2, text)))

    def refuse(self, text):
        self.error(INVALID, text)
        self._quic.send_stream_data(self.stream, b"", end_stream=True)
        self.session = None
        self.leave(0)

    def others(self, kind, body):
        for other in list(present[self.meeting].values()):
            if other is not self: other.say(kind, body)

    def participant(self):
        mine = [(3, stream) for owner, stream in streams[self.meeting].values() if owner == self.me]
        return encode((1, self.me), (2, self.name), *mine, (4, int(time.time())))

    def join(self, body):
        try: meeting, self.name = body.get(1, b"").decode(), body.get(3, b"")
        except (UnicodeDecodeError, AttributeError): return self.refuse("a text that is none")
        try: user = user_of(body.get(2, b""), meeting)
        except (ValueError, KeyError, TypeError): return self.error(UNAUTHORIZED, "Invalid or expired join token")
        if not CAPACITY.get(meeting): return self.error(NOT_FOUND, "no such meeting")
        if len(present[meeting]) >= CAPACITY[meeting]: return self.error(FULL, "the meeting is full")
        before, until = lost.pop((meeting, user), (None, 0))
        self.me = before if time.time() < until else str(uuid.uuid4())
        self.meeting, self.user = meeting, user
        there = [(2, other.participant()) for other in present[meeting].values()]
        media = encode((1, "https://localhost/media"), (2, token(user, meeting, "media")))
        self.say(1, encode((1, self.me), *there, (3, media), (4, encode((1, bytes(32)), (2, "key-1")))))
        present[meeting][self.me] = self
        self.others(2, encode((1, self.participant())))

    def heard(self, kind, body, message):
        stream, known = body.get(1, b"").decode(), streams[self.meeting]
        if kind == 2 and stream in known: self.error(CONFLICT, "the stream is published")
        elif kind == 2:
            known[stream] = (self.me, decode(message)[2])  # PublishStream has the fields of MediaStream
            told = encode((1, self.me), (2, known[stream][1]))
            self.say(4, told)
            self.others(4, told)
        elif kind == 3 and stream not in known: self.error(NOT_FOUND, "no such stream")
        elif kind == 3: self.say(7, encode((1, stream)))

    def leave(self, reason):
        me, self.me = self.me, None
        if me is None: return
        del present[self.meeting][me]
        for stream in [stream for stream, (owner, _) in streams[self.meeting].items() if owner == me]: del streams[self.meeting][stream]
        if reason == 2: lost[self.meeting, self.user] = (me, time.time() + 30)
        self.others(3, encode((1, me), (2, reason)))

def certificate():
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
    return made.sign(key, hashes.SHA256()), key

async def main():
    host, port = sys.argv[1].rsplit(":", 1)
    settings = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN, max_datagram_frame_size=65536, idle_timeout=30)
    settings.certificate, settings.private_key = certificate()
    await serve(host, int(port), configuration=settings, create_protocol=Session)
    print("listening", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
