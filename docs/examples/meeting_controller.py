"""A Meeting Controller of darktower: pip install aioquic grpcio-tools pyjwt; meeting_controller.py 127.0.0.1:4433 FOLDER_OF_PROTO"""
import asyncio, datetime, sys, time, uuid
import grpc, jwt
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3 import connection, events as h3
from aioquic.quic import configuration, events as quic
from cryptography import x509
from cryptography.hazmat.primitives import asymmetric, hashes
from google.protobuf.message import DecodeError

address, folder = sys.argv[1:]
sys.path.append(folder)
pb = grpc.protos("signaling.proto")
SECRET = "example"
CAPACITY = {"6d656574-0000-4000-8000-000000000001": 100, "6d656574-0000-4000-8000-000000000002": 2}
present = {meeting: {} for meeting in CAPACITY}  # participant id: its Session
lost = {}  # (meeting, user): (participant id, until when it may come back)

def media_token(user, meeting):
    claims = {"sub": user, "mid": meeting, "use": "media", "iat": int(time.time()), "exp": int(time.time()) + 300}
    return jwt.encode(claims | {"jti": str(uuid.uuid4())}, SECRET, "HS256")

def user_of(token, meeting):
    """Who may join the meeting by this token (DT-S-06)."""
    claims = jwt.decode(token, SECRET, ["HS256"], options={"require": ["exp"]})
    if (claims["mid"], claims["use"]) != (meeting, "join"): raise jwt.InvalidTokenError
    return claims["sub"]

class Session(QuicConnectionProtocol):
    http = session = stream = me = None
    data = b""

    def quic_event_received(self, event):
        self.http = self.http or connection.H3Connection(self._quic, enable_webtransport=True)
        match event:
            case quic.ConnectionTerminated(reason_phrase="Idle timeout"): self.leave("CONNECTION_LOST")
            case quic.ConnectionTerminated(): self.leave("VOLUNTARY")
            case quic.StreamReset(stream_id=self.session): self.leave("CONNECTION_LOST")
        for event in self.http.handle_event(event):
            match event:
                case h3.HeadersReceived(headers=headers, stream_id=stream):
                    fits = {(b":protocol", b"webtransport"), (b":path", b"/wt")} <= set(headers)
                    if fits: self.session, self.data = stream, b""
                    self.http.send_headers(stream, [(b":status", b"200" if fits else b"404")], end_stream=not fits)
                case h3.DataReceived(stream_id=self.session, stream_ended=True): self.leave("VOLUNTARY")
                case h3.WebTransportStreamDataReceived(stream_id=stream) if self.stream in (None, stream):
                    self.stream, self.data = stream, self.data + event.data
                    self.read()
        self.transmit()

    def read(self):
        while len(self.data) >= 4 and self.session is not None:
            size = int.from_bytes(self.data[:4], "big")
            if not 1 <= size <= 65536: return self.refuse("a length that no message has")
            if len(self.data) < 4 + size: return
            message, self.data = self.data[4:4 + size], self.data[4 + size:]
            try: said = pb.ClientMessage.FromString(message)
            except DecodeError: return self.refuse("no message")
            kind = said.WhichOneof("message")
            if kind is None or (kind == "join_request") == (self.me is not None): return self.refuse("a join comes first, and once")
            getattr(self, kind, lambda _: None)(getattr(said, kind))

    def say(self, **message):
        message = pb.ServerMessage(**message).SerializeToString()
        self._quic.send_stream_data(self.stream, len(message).to_bytes(4, "big") + message)
        self.transmit()

    def error(self, code, text): self.say(error=pb.ErrorMessage(code=code, message=text))

    def refuse(self, text):
        self.error("INVALID_REQUEST", text)
        self._quic.send_stream_data(self.stream, b"", end_stream=True)
        self.session = None
        self.leave("VOLUNTARY")

    def others(self, **message):
        for other in list(present[self.meeting].values()):
            if other is not self: other.say(**message)

    def join_request(self, join):
        try: self.user = user_of(join.join_token, join.meeting_id)
        except (jwt.InvalidTokenError, KeyError): return self.error("UNAUTHORIZED", "Invalid or expired join token")
        if join.meeting_id not in CAPACITY: return self.error("NOT_FOUND", "no such meeting")
        there = present[join.meeting_id]
        if len(there) >= CAPACITY[join.meeting_id]: return self.error("CAPACITY_EXCEEDED", "the meeting is full")
        before, until = lost.pop((join.meeting_id, self.user), (None, 0))
        self.meeting, self.me = join.meeting_id, before if time.time() < until else str(uuid.uuid4())
        self.itself = pb.Participant(participant_id=self.me, name=join.participant_name, joined_at=int(time.time()))
        self.say(join_response=pb.JoinResponse(
            participant_id=self.me, existing_participants=[other.itself for other in there.values()],
            media_server=pb.MediaServerInfo(media_handler_url="https://localhost/media", connection_token=media_token(self.user, self.meeting)),
            encryption_keys=pb.EncryptionKeys(public_key=bytes(32), key_id="key-1")))
        there[self.me] = self
        self.others(participant_joined=pb.ParticipantJoined(participant=self.itself))

    def is_published(self, stream): return any(stream == one.stream_id for it in present[self.meeting].values() for one in it.itself.streams)

    def publish_stream(self, asked):
        if self.is_published(asked.stream_id): return self.error("CONFLICT", "the stream is published")
        stream = self.itself.streams.add(stream_id=asked.stream_id, stream_type=asked.stream_type, metadata=asked.metadata)
        self.say(stream_published=pb.StreamPublished(participant_id=self.me, stream=stream))
        self.others(stream_published=pb.StreamPublished(participant_id=self.me, stream=stream))

    def subscribe_stream(self, asked):
        if not self.is_published(asked.stream_id): return self.error("NOT_FOUND", "no such stream")
        self.say(stream_subscribed=pb.StreamSubscribed(stream_id=asked.stream_id))

    def leave(self, reason):
        me, self.me = self.me, None
        if me is None: return
        del present[self.meeting][me]
        if reason == "CONNECTION_LOST": lost[self.meeting, self.user] = (me, time.time() + 30)
        self.others(participant_left=pb.ParticipantLeft(participant_id=me, reason=reason))

async def main():
    settings = configuration.QuicConfiguration(is_client=False, alpn_protocols=["h3"], max_datagram_frame_size=65536, idle_timeout=30)
    key, now, day = asymmetric.ec.generate_private_key(asymmetric.ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    certificate = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 1, now, now + day)
    certificate = certificate.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
    settings.certificate, settings.private_key = certificate.sign(key, hashes.SHA256()), key
    host, port = address.rsplit(":", 1)
    await serve(host, int(port), configuration=settings, create_protocol=Session)
    print("listening", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
