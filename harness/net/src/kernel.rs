//! The kernel's list of UDP sockets in `/proc/net`: who is bound, and what was dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use procfs::net::UdpNetEntries;
use procfs::process::{FDTarget, Process};
use procfs::{CurrentSI, FromBufReadSI, KernelStats, current_system_info};

/// One UDP socket of this machine, as `/proc/net/udp` and `udp6` list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpEntry {
    /// The address that it is bound to.
    pub local: SocketAddr,
    /// The inode by which a process holds it.
    pub inode: u64,
    /// The memory of the datagrams that were not read yet, in bytes.
    pub unread: u32,
    /// Datagrams that the kernel dropped because its buffer was full.
    pub drops: u64,
}

/// All UDP sockets of this machine; `None` where the system does not report it.
#[must_use]
pub fn udp_sockets() -> Option<Vec<UdpEntry>> {
    let mut entries = parse(&std::fs::read_to_string("/proc/net/udp").ok()?)?;
    // A machine without IPv6 has no second table.
    if let Ok(table) = std::fs::read_to_string("/proc/net/udp6") {
        entries.extend(parse(&table)?);
    }
    Some(entries)
}

/// Whether some socket receives what is sent to `address`.
#[must_use]
pub fn is_bound(address: SocketAddr) -> bool {
    match udp_sockets() {
        Some(entries) => entries.iter().any(|entry| receives(entry.local, address)),
        // It is free if it can be bound.
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
    let held = processes_of(group).flat_map(|process| inodes_of(&process));
    let held = held.filter_map(|inode| by_inode.get(&inode).copied());
    held.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Number and name of a process that holds a socket which receives what is sent to `address`, as far as we
/// may look.
#[must_use]
pub fn holder_of(address: SocketAddr) -> Option<(i32, String)> {
    let entries = udp_sockets().unwrap_or_default().into_iter();
    let there = entries.filter(|entry| receives(entry.local, address));
    let there: BTreeSet<u64> = there.map(|entry| entry.inode).collect();
    let holds = |process: &Process| inodes_of(process).any(|inode| there.contains(&inode));
    let mut all = procfs::process::all_processes().ok()?.flatten();
    let holder = all.find(holds)?;
    Some((holder.pid, holder.stat().ok()?.comm))
}

/// The inodes of a process's sockets.
fn inodes_of(process: &Process) -> impl Iterator<Item = u64> + use<> {
    let descriptors = process.fd().into_iter().flatten().flatten();
    descriptors.filter_map(|descriptor| match descriptor.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    })
}

/// The most memory that the processes of a group have held so far, in bytes: the sum of their
/// peaks. `None` if there is no such process, or where the system does not report it.
#[must_use]
pub fn peak_memory(group: i32) -> Option<u64> {
    let peaks = processes_of(group).filter_map(|process| process.status().ok()?.vmhwm);
    peaks
        .reduce(u64::saturating_add)
        .map(|kilobytes| kilobytes.saturating_mul(1024))
}

/// Datagrams to `address` that were dropped because they were not read in time.
#[must_use]
pub fn drops_at(address: SocketAddr) -> u64 {
    let entries = udp_sockets().unwrap_or_default();
    let there = entries
        .iter()
        .filter(|entry| receives(entry.local, address));
    there.map(|entry| entry.drops).sum()
}

/// Whether everything that was sent to `address` was read. `None` if no socket there is seen: it is closed, or in
/// another network namespace.
#[must_use]
pub fn is_read(address: SocketAddr) -> Option<bool> {
    let entries = udp_sockets()?.into_iter();
    let mut there = entries.filter(|entry| receives(entry.local, address));
    let first = there.next()?;
    Some(first.unread == 0 && there.all(|entry| entry.unread == 0))
}

/// How long processes of a group waited for a processor since they began: the worst of their
/// threads. `None` if there is no such process, or where the system does not report it.
#[must_use]
pub fn waited_for_processor(group: i32) -> Option<Duration> {
    let threads = processes_of(group).flat_map(|process| process.tasks());
    let waited = threads
        .flatten()
        .flatten()
        .filter_map(|thread| Some(thread.schedstat().ok()?.run_delay));
    waited.max().map(Duration::from_nanos)
}

/// What the processors of this machine did besides being idle since it started, in ticks of a hundredth
/// of a second, and what others took of a virtual one. `None` where the system does not report it.
#[must_use]
pub fn processor_time() -> Option<Duration> {
    let total = KernelStats::current().ok()?.total;
    let parts = [Some(total.user), Some(total.nice), Some(total.system)];
    let parts = parts
        .into_iter()
        .chain([total.irq, total.softirq, total.steal]);
    let ticks: u64 = parts.flatten().sum();
    let per_second = procfs::ticks_per_second().max(1);
    Some(Duration::from_micros(
        ticks.saturating_mul(1_000_000 / per_second),
    ))
}

/// The processes of a group that may be looked at.
pub fn processes_of(group: i32) -> impl Iterator<Item = Process> {
    let all = procfs::process::all_processes();
    all.into_iter()
        .flatten()
        .flatten()
        .filter(move |process| process.stat().is_ok_and(|stat| stat.pgrp == group))
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

/// The entries of a table of the kernel, which ends each line with the number of drops: procfs
/// leaves that out.
fn parse(table: &str) -> Option<Vec<UdpEntry>> {
    let entries = UdpNetEntries::from_buf_read(table.as_bytes(), current_system_info()).ok()?;
    let drops = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next_back()?.parse().ok());
    let both = entries.0.iter().zip(drops);
    both.map(|(entry, drops)| {
        Some(UdpEntry {
            local: entry.local_address,
            inode: entry.inode,
            unread: entry.rx_queue,
            drops: drops?,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernels_table_is_read() {
        let table = "the names of the columns\n \
                     1234: 0100007F:115C 00000000:0000 07 00000000:00000000 00:00000000 00000000 \
                     1000        0 55501 2 0000000000000000 17\n";
        let [entry] = parse(table).unwrap()[..] else {
            panic!("{table}");
        };
        assert_eq!(entry.local, "127.0.0.1:4444".parse().unwrap());
        assert_eq!((entry.inode, entry.drops), (55501, 17));
    }

    #[test]
    fn a_bound_address_is_seen_and_a_free_one_is_not() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert!(is_bound(address));
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(holder_of(address).map(|(pid, _)| pid), Some(own));
        drop(socket);
        assert!(!is_bound(address));
    }

    #[test]
    fn what_waits_in_a_socket_is_seen_until_it_is_read() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(is_read(address), Some(true));
        socket.send_to(b"x", address).unwrap();
        assert_eq!(is_read(address), Some(false));
        socket.recv(&mut [0; 8]).unwrap();
        assert_eq!(is_read(address), Some(true));
        drop(socket);
        assert_eq!(is_read(address), None);
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
        let group = Process::myself().unwrap().stat().unwrap().pgrp;
        let found = udp_sockets_of_group(group);
        assert!(found.contains(&socket.local_addr().unwrap()), "{found:?}");
    }
}
