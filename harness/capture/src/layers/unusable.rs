/// Why a packet holds no datagram for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// A link type that is not known here.
    Link,
    /// Something else than IP.
    NotIp,
    /// IP, but not UDP.
    NotUdp,
    /// Cut before the UDP payload began.
    Cut,
    /// The link header is too short.
    MalformedLink,
    /// The IP headers contradict themselves.
    MalformedIp,
    /// The UDP header contradicts itself or the IP header.
    MalformedUdp,
}
