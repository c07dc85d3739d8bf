//! What the kernel tells of UDP sockets in `/proc/net`: who is bound, and what was dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// One UDP socket of this machine, as `/proc/net/udp` and `udp6` list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpEntry {
    /// The address that it is bound to.
    pub local: SocketAddr,
    /// The inode by which a process holds it.
    pub inode: u64,
    /// Datagrams that the kernel dropped because its buffer was full.
    pub drops: u64,
}

/// All UDP sockets of this machine; `None` where the system does not tell.
#[must_use]
pub fn udp_sockets() -> Option<Vec<UdpEntry>> {
    let mut entries = parse(&std::fs::read_to_string("/proc/net/udp").ok()?);
    // A machine without IPv6 has no second table.
    if let Ok(table) = std::fs::read_to_string("/proc/net/udp6") {
        entries.extend(parse(&table));
    }
    Some(entries)
}

/// Whether some socket receives what is sent to `address`.
#[must_use]
pub fn is_bound(address: SocketAddr) -> bool {
    match udp_sockets() {
        Some(entries) => entries.iter().any(|entry| receives(entry.local, address)),
        // Whoever can bind it finds it free.
        None => std::net::UdpSocket::bind(address).is_err(),
    }
}

/// Datagrams dropped at each of these addresses, as far as something was dropped.
#[must_use]
pub fn drops(addresses: &[SocketAddr]) -> u64 {
    let entries = udp_sockets().unwrap_or_default();
    let dropped = entries
        .iter()
        .filter(|entry| addresses.contains(&entry.local))
        .map(|entry| entry.drops);
    dropped.sum()
}

/// The addresses of the UDP sockets that the processes of a group hold, as far as we may look.
#[must_use]
pub fn udp_sockets_of_group(group: i32) -> Vec<SocketAddr> {
    let Some(entries) = udp_sockets() else {
        return Vec::new();
    };
    let by_inode: BTreeMap<u64, SocketAddr> = entries
        .iter()
        .map(|entry| (entry.inode, entry.local))
        .collect();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found = BTreeSet::new();
    for process in processes.flatten() {
        let path = process.path();
        if group_of(&path) != Some(group) {
            continue;
        }
        let Ok(descriptors) = std::fs::read_dir(path.join("fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            let Ok(target) = std::fs::read_link(descriptor.path()) else {
                continue;
            };
            let inode = target
                .to_str()
                .and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']'))
                .and_then(|inode| inode.parse().ok());
            if let Some(address) = inode.and_then(|inode: u64| by_inode.get(&inode)) {
                found.insert(*address);
            }
        }
    }
    found.into_iter().collect()
}

/// The most memory that the processes of a group have held so far, in bytes: the sum of their
/// peaks. `None` if there is no such process, or where the system does not tell.
#[must_use]
pub fn peak_memory(group: i32) -> Option<u64> {
    let processes = std::fs::read_dir("/proc").ok()?;
    let paths = processes.flatten().map(|process| process.path());
    let of_group = paths.filter(|path| group_of(path) == Some(group));
    let peaks = of_group.filter_map(|path| {
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    peaks
        .reduce(u64::saturating_add)
        .map(|kilobytes| kilobytes.saturating_mul(1024))
}

/// Datagrams to `address` that were dropped because nobody read them in time.
#[must_use]
pub fn drops_at(address: SocketAddr) -> u64 {
    let entries = udp_sockets().unwrap_or_default();
    let there = entries
        .iter()
        .filter(|entry| receives(entry.local, address));
    there.map(|entry| entry.drops).sum()
}

/// How long processes of a group waited for a processor since they began: the worst of their
/// threads. `None` if there is no such process, or where the system does not tell.
#[must_use]
pub fn waited_for_processor(group: i32) -> Option<Duration> {
    let processes = std::fs::read_dir("/proc").ok()?;
    let paths = processes.flatten().map(|process| process.path());
    let of_group = paths.filter(|path| group_of(path) == Some(group));
    let threads = of_group.flat_map(|path| std::fs::read_dir(path.join("task")));
    let waited = threads.flatten().flatten().filter_map(|thread| {
        // Nanoseconds on a processor, nanoseconds of waiting for one, time slices.
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    });
    waited.max().map(Duration::from_nanos)
}

/// How long, since the machine began, some process or other waited for a processor or a disk: no
/// single one waited longer. `None` where the system does not tell.
#[must_use]
pub fn pressure() -> Option<Duration> {
    let of = |resource: &str| {
        let text = std::fs::read_to_string(format!("/proc/pressure/{resource}")).ok()?;
        parse_pressure(&text)
    };
    Some(of("cpu")? + of("io").unwrap_or_default())
}

/// The microseconds of `some avg10=0.00 avg60=0.00 avg300=0.00 total=12345`.
fn parse_pressure(text: &str) -> Option<Duration> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let (_, total) = some.rsplit_once("total=")?;
    total.trim().parse().ok().map(Duration::from_micros)
}

/// The process group in `/proc/PID/stat`: the third field after the name in brackets.
fn group_of(process: &std::path::Path) -> Option<i32> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(2)?.parse().ok()
}

/// Whether a socket bound to `local` receives what is sent to `address`.
fn receives(local: SocketAddr, address: SocketAddr) -> bool {
    let same_address = local.ip() == address.ip()
        || match local.ip() {
            IpAddr::V4(any) => any.is_unspecified() && address.is_ipv4(),
            // A socket of `::` receives IPv4 as well, unless it says that it does not.
            IpAddr::V6(any) => any.is_unspecified(),
        };
    local.port() == address.port() && same_address
}

fn parse(table: &str) -> Vec<UdpEntry> {
    table.lines().skip(1).filter_map(parse_line).collect()
}

/// `sl local remote st queues timer retransmits uid timeout inode ref pointer drops`
fn parse_line(line: &str) -> Option<UdpEntry> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    Some(UdpEntry {
        local: SocketAddr::new(parse_address(address)?, u16::from_str_radix(port, 16).ok()?),
        inode: fields.get(9)?.parse().ok()?,
        drops: fields.last()?.parse().ok()?,
    })
}

/// Addresses stand there as 32-bit words in hexadecimal, each in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at..at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for index in 0..4 {
                bytes[4 * index..4 * index + 4].copy_from_slice(&word(8 * index)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_pressure_is_read_in_microseconds() {
        let text = "some avg10=2.05 avg60=1.58 avg300=3.13 total=110760763\n\
                    full avg10=0.05 avg60=0.07 avg300=1.13 total=38252280\n";
        let some = Duration::from_micros(110_760_763);
        assert_eq!(parse_pressure(text), Some(some));
        assert_eq!(parse_pressure("full total=1"), None);
    }

    #[test]
    fn a_line_of_the_kernels_table_is_read() {
        let line = " 1234: 0100007F:115C 00000000:0000 07 00000000:00000000 00:00000000 00000000 \
                    1000        0 55501 2 0000000000000000 17";
        let entry = parse_line(line).unwrap();
        assert_eq!(entry.local, "127.0.0.1:4444".parse().unwrap());
        assert_eq!((entry.inode, entry.drops), (55501, 17));
    }

    #[test]
    fn an_ipv6_address_of_the_kernels_table_is_read() {
        assert_eq!(
            parse_address("00000000000000000000000001000000"),
            Some("::1".parse().unwrap())
        );
    }

    #[test]
    fn a_bound_address_is_seen_and_a_free_one_is_not() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert!(is_bound(address));
        drop(socket);
        assert!(!is_bound(address));
    }

    #[test]
    fn a_socket_of_every_address_receives_for_each() {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(is_bound(SocketAddr::from(([127, 0, 0, 1], port))));
    }

    #[test]
    fn the_sockets_of_our_own_process_group_are_found() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let group = group_of(std::path::Path::new("/proc/self")).unwrap();
        let found = udp_sockets_of_group(group);
        assert!(found.contains(&socket.local_addr().unwrap()), "{found:?}");
    }
}
