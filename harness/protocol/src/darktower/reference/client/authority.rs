//! Where the servers of a client are: the authority of a URL, and the address that it says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Position, Url};

use crate::web::https;

/// A host with its port, as URLs have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) text: String,
    /// Where that is, if the text says so: no names are looked up.
    pub(super) address: Option<SocketAddr>,
}

impl Authority {
    /// `localhost` is taken for the loopback address of IPv6 if `is_ipv6`.
    pub(super) fn new(text: &str, is_ipv6: bool) -> Self {
        Self {
            address: address(text, is_ipv6),
            text: text.to_owned(),
        }
    }

    /// Whether both are the same server.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same_address = self.address.is_some() && self.address == other.address;
        same_address || self.text == other.text
    }

    /// Whether it is known to be an address of IPv6.
    pub(super) fn is_ipv6(&self) -> bool {
        self.address.is_some_and(|address| address.is_ipv6())
    }
}

fn address(text: &str, is_ipv6: bool) -> Option<SocketAddr> {
    let url = https(&format!("https://{text}")).ok()?;
    let ip: IpAddr = match url.host()? {
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
        Host::Domain("localhost") if is_ipv6 => Ipv6Addr::LOCALHOST.into(),
        Host::Domain("localhost") => Ipv4Addr::LOCALHOST.into(),
        Host::Domain(_) => return None,
    };
    Some(SocketAddr::new(ip, url.port_or_known_default()?))
}

/// The authority of a URL, and its path with the query.
pub(super) fn parts(url: &Url) -> (&str, &str) {
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    (authority, &url[Position::BeforePath..Position::AfterQuery])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::web::https;

    #[rstest]
    #[case("127.0.0.1:4433", false, Some("127.0.0.1:4433"))]
    #[case("10.0.0.1", false, Some("10.0.0.1:443"))]
    #[case("[::1]:4433", false, Some("[::1]:4433"))]
    #[case("[2001:db8::1]", false, Some("[2001:db8::1]:443"))]
    #[case("localhost:4433", false, Some("127.0.0.1:4433"))]
    #[case("localhost", true, Some("[::1]:443"))]
    #[case("mc.example.org:4433", false, None)]
    #[case("localhost:none", false, None)]
    #[case("user@127.0.0.1:4433", false, None)]
    fn an_authority_says_an_address_where_no_name_is_to_be_looked_up(
        #[case] text: &str,
        #[case] is_ipv6: bool,
        #[case] address: Option<&str>,
    ) {
        let expected = address.map(|address| address.parse().unwrap());
        assert_eq!(Authority::new(text, is_ipv6).address, expected);
    }

    #[test]
    fn the_same_address_or_the_same_text_is_the_same_server() {
        let is = |one, other| Authority::new(one, false).is(&Authority::new(other, false));
        assert!(is("localhost:1", "127.0.0.1:1") && is("example.org", "example.org"));
        assert!(!is("localhost:1", "127.0.0.1:2") && !is("example.org", "example.com"));
    }

    #[rstest]
    #[case("https://localhost:4433/wt", Some(("localhost:4433", "/wt")))]
    #[case("https://[::1]/wt?room=1#top", Some(("[::1]", "/wt?room=1")))]
    #[case("https://10.0.0.1", Some(("10.0.0.1", "/")))]
    #[case("https://", None)]
    #[case("http://localhost/wt", None)]
    #[case("wt", None)]
    fn a_url_has_an_authority_and_a_path(#[case] url: &str, #[case] of: Option<(&str, &str)>) {
        let url = https(url).ok();
        assert_eq!(url.as_ref().map(parts), of);
    }
}
