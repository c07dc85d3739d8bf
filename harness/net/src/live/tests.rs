#![allow(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex};

use rstest::rstest;
use shakedown_capture::{Capture, Packets, Statistics, Tap};

use super::link::refused;
use super::*;

/// A capture on the loopback interface, or `None` where that is not permitted, which is said.
fn start<W: Write + Send + 'static>(settings: &LiveSettings, writer: W) -> Option<LiveCapture<W>> {
    match LiveCapture::start(settings, writer) {
        Ok(capture) => Some(capture),
        Err(error @ LiveError::NotPermitted { .. }) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn on_ports(ports: &[u16]) -> LiveSettings {
    LiveSettings {
        ports: ports.to_vec(),
        ..LiveSettings::default()
    }
}

fn socket(address: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(address).expect("a port");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

fn read(file: &[u8]) -> (Vec<Datagram>, Statistics) {
    let mut capture = Capture::open(file).expect("a capture");
    let mut all = Vec::new();
    while let Some(datagram) = capture.next_datagram().expect("undamaged") {
        assert_eq!(datagram.payload.len(), datagram.length);
        all.push((
            datagram.source,
            datagram.destination,
            datagram.payload.to_vec(),
        ));
    }
    (all, *capture.statistics())
}

#[rstest]
fn the_live_capture_and_the_tap_hold_the_same_datagrams(
    #[values("127.0.0.1:0", "[::1]:0")] address: &str,
) {
    let (left, at_left) = socket(address);
    let (right, at_right) = socket(address);
    let Some(live) = start(&on_ports(&[at_left.port()]), Vec::new()) else {
        return;
    };
    let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).expect("memory");
    let before = std::time::SystemTime::now();
    let mut buffer = vec![0; 65_536];
    for round in 0..100_usize {
        let payload = vec![round as u8; [0, 1, 1_000, 1_472, 65_507][round % 5]];
        for (from, source, to, destination) in [
            (&left, at_left, &right, at_right),
            (&right, at_right, &left, at_left),
        ] {
            from.send_to(&payload, destination).expect("sent");
            // The same again is another packet.
            if round % 7 == 0 {
                from.send_to(&payload, destination).expect("sent");
                to.recv_from(&mut buffer).expect("received");
                tap.record(Duration::ZERO, source, destination, &payload)
                    .expect("recorded");
            }
            to.recv_from(&mut buffer).expect("received");
            tap.record(Duration::ZERO, source, destination, &payload)
                .expect("recorded");
        }
    }
    let (file, statistics) = live.stop().expect("stopped");
    assert!(statistics.is_complete(), "{statistics}");
    let (of_live, counted) = read(&file);
    let (of_tap, _) = read(&tap.into_inner());
    assert_eq!(of_live.len(), 230);
    assert!(of_live == of_tap);
    assert_eq!(counted.lost(), 0);
    // Each packet once, and nothing besides; of IPv6 the longest come in pieces.
    let pieces = counted.fragments.pieces;
    assert_eq!(
        counted.packets,
        230 - counted.fragments.reassembled + pieces
    );
    // Stamped by the kernel when they passed, and never falling.
    let mut packets = Packets::open(&file[..]).expect("a capture");
    let mut latest = before
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    while let Some(packet) = packets.next_packet().expect("undamaged") {
        assert!(packet.time >= latest);
        latest = packet.time;
    }
    assert!(before.elapsed().expect("no step back") < Duration::from_secs(60));
}

#[test]
fn a_datagram_in_pieces_is_captured_in_all_its_pieces() {
    let (left, at_left) = socket("[::1]:0");
    let (right, at_right) = socket("[::1]:0");
    let Some(live) = start(&on_ports(&[at_right.port()]), Vec::new()) else {
        return;
    };
    // With both headers it exceeds the 65,536 bytes of the loopback interface.
    let payload = vec![7; 65_527];
    left.send_to(&payload, at_right).expect("sent");
    right.recv_from(&mut [0; 16]).expect("received");
    let (file, statistics) = live.stop().expect("stopped");
    assert_eq!(statistics.packets, 2);
    let (all, counted) = read(&file);
    assert!(all == [(at_left, at_right, payload)]);
    assert_eq!(counted.fragments.reassembled, 1);
}

#[rstest]
fn packets_of_other_ports_are_not_captured(#[values("127.0.0.1:0", "[::1]:0")] address: &str) {
    let (left, at_left) = socket(address);
    let (right, at_right) = socket(address);
    let (other, at_other) = socket(address);
    let Some(live) = start(&on_ports(&[at_left.port()]), Vec::new()) else {
        return;
    };
    right.send_to(b"no", at_other).expect("sent");
    right.send_to(b"to", at_left).expect("sent");
    left.send_to(b"from", at_other).expect("sent");
    other.send_to(b"no", at_right).expect("sent");
    let (file, _) = live.stop().expect("stopped");
    let payloads: Vec<Vec<u8>> = read(&file).0.into_iter().map(|it| it.2).collect();
    assert_eq!(payloads, [b"to".to_vec(), b"from".to_vec()]);
}

#[test]
fn packets_of_a_port_are_captured_from_the_moment_it_is_watched() {
    let (left, _) = socket("127.0.0.1:0");
    let (_right, at_right) = socket("127.0.0.1:0");
    let (_other, at_other) = socket("127.0.0.1:0");
    let Some(mut live) = start(&on_ports(&[at_other.port()]), Vec::new()) else {
        return;
    };
    left.send_to(b"before", at_right).expect("sent");
    live.watch(at_right.port()).expect("watched");
    left.send_to(b"after", at_right).expect("sent");
    left.send_to(b"other", at_other).expect("sent");
    let (file, _) = live.stop().expect("stopped");
    let payloads: Vec<Vec<u8>> = read(&file).0.into_iter().map(|it| it.2).collect();
    assert_eq!(payloads, [b"after".to_vec(), b"other".to_vec()]);
}

#[rstest]
#[case::none(0)]
#[case::the_most(32)]
#[case::too_many(33)]
fn any_number_of_ports_can_be_captured(#[case] count: u16) {
    let (left, at_left) = socket("127.0.0.1:0");
    let (_right, at_right) = socket("127.0.0.1:0");
    let mut ports: Vec<u16> = (1..count).collect();
    if count > 0 {
        ports.push(at_right.port());
    }
    let Some(live) = start(&on_ports(&ports), Vec::new()) else {
        return;
    };
    left.send_to(b"seen", at_right).expect("sent");
    let (file, _) = live.stop().expect("stopped");
    let (all, _) = read(&file);
    assert!(all.contains(&(at_left, at_right, b"seen".to_vec())));
}

#[test]
fn of_20000_packets_at_once_each_is_captured_or_counted_as_dropped() {
    let (left, _) = socket("127.0.0.1:0");
    let (_right, at_right) = socket("127.0.0.1:0");
    let Some(live) = start(&on_ports(&[at_right.port()]), Vec::new()) else {
        return;
    };
    for number in 0..20_000_u32 {
        let mut payload = [0; 1_000];
        payload[..4].copy_from_slice(&number.to_le_bytes());
        left.send_to(&payload, at_right).expect("sent");
    }
    let (file, statistics) = live.stop().expect("stopped");
    let missing = 20_000 - statistics.packets;
    if missing == 0 {
        assert_eq!(statistics.dropped, 0, "{statistics}");
    }
    assert!(
        (missing..=missing + 100).contains(&statistics.dropped),
        "{statistics}"
    );
    assert_eq!(statistics.problem, None);
    let (all, _) = read(&file);
    assert_eq!(all.len() as u64, statistics.packets);
    assert!(all.windows(2).all(|pair| pair[0].2[..4] != pair[1].2[..4]));
}

/// Lets nobody write until it is opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

struct Gated(Arc<Gate>, Vec<u8>);

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = self.0.open.lock().expect("no panic");
        // The beginning of the file is written before packets come.
        if !self.1.is_empty() {
            let _open = self
                .0
                .opened
                .wait_while(open, |open| !*open)
                .expect("no panic");
        }
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn packets_that_the_kernel_drops_are_counted() {
    let (left, _) = socket("127.0.0.1:0");
    let (_right, at_right) = socket("127.0.0.1:0");
    let gate = Arc::new(Gate::default());
    let settings = LiveSettings {
        buffer: 64 << 10,
        ..on_ports(&[at_right.port()])
    };
    let Some(live) = start(&settings, Gated(Arc::clone(&gate), Vec::new())) else {
        return;
    };
    for _ in 0..1_000 {
        left.send_to(&[7; 1_000], at_right).expect("sent");
    }
    *gate.open.lock().expect("no panic") = true;
    gate.opened.notify_all();
    let (writer, statistics) = live.stop().expect("stopped");
    assert!(statistics.dropped > 500, "{statistics}");
    let missing = 1_000 - statistics.packets;
    assert!(
        (missing..missing + 100).contains(&statistics.dropped),
        "{statistics}"
    );
    assert!(!statistics.is_complete());
    assert_eq!(read(&writer.1).0.len() as u64, statistics.packets);
    assert_eq!(
        statistics.to_string(),
        format!(
            "{} packets, {} dropped by the kernel",
            statistics.packets, statistics.dropped
        )
    );
}

#[test]
fn a_flood_does_not_keep_a_capture_from_ending() {
    let (left, _) = socket("127.0.0.1:0");
    let (_right, at_right) = socket("127.0.0.1:0");
    let Some(live) = start(&on_ports(&[at_right.port()]), io::sink()) else {
        return;
    };
    let over = Arc::new(AtomicBool::new(false));
    let (begin, begun) = std::sync::mpsc::channel();
    let flooding = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::Acquire) {
                left.send_to(&[7; 10], at_right).expect("sent");
                // Nobody hears it any more after the first.
                let _ = begin.send(());
            }
        }
    });
    begun.recv().expect("the flood begins");
    drop(begun);
    let stopping = Instant::now();
    let (_, statistics) = live.stop().expect("stopped");
    let took = stopping.elapsed();
    over.store(true, Ordering::Release);
    flooding.join().expect("no panic");
    assert!(took < 2 * END, "{took:?}");
    assert!(statistics.packets > 0);
}

/// Takes the beginning of the file and nothing more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += 1;
        if self.0 > 1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_makes_the_capture_incomplete() {
    let (left, _) = socket("127.0.0.1:0");
    let (_right, at_right) = socket("127.0.0.1:0");
    let Some(live) = start(&on_ports(&[at_right.port()]), Full(0)) else {
        return;
    };
    left.send_to(b"x", at_right).expect("sent");
    let (_, statistics) = live.stop().expect("stopped");
    assert!(!statistics.is_complete());
    let problem = statistics.problem.expect("a problem");
    assert!(problem.starts_with("writing the capture failed after 0 packets"));
}

#[test]
fn a_capture_that_is_dropped_ends_its_thread() {
    let Some(live) = start(&LiveSettings::default(), io::sink()) else {
        return;
    };
    let ending = Arc::clone(&live.ending);
    drop(live);
    assert!(ending.load(Ordering::Acquire));
    // The thread lets go of its half when it ends.
    let begun = Instant::now();
    while Arc::strong_count(&ending) > 1 && begun.elapsed() < 3 * END {
        std::thread::yield_now();
    }
    assert_eq!(Arc::strong_count(&ending), 1);
}

/// Both ways in which a system says that this user may not.
#[rstest]
#[case(nix::Error::EPERM)]
#[case(nix::Error::EACCES)]
fn what_is_not_permitted_is_told_apart(#[case] error: nix::Error) {
    let error = refused("lo", error.into());
    assert!(matches!(error, LiveError::NotPermitted { .. }));
    assert!(error.to_string().contains("the tap needs none"), "{error}");
}

#[test]
fn other_refusals_are_told_as_they_are() {
    let error = refused("lo", nix::Error::EAFNOSUPPORT.into());
    assert!(matches!(error, LiveError::System { .. }), "{error}");
}

#[test]
fn an_interface_that_is_not_there_is_told_with_those_that_are() {
    let settings = LiveSettings {
        interface: "nosuch0".into(),
        ..LiveSettings::default()
    };
    let error = LiveCapture::start(&settings, io::sink()).expect_err("refused");
    let text = error.to_string();
    assert!(
        text.starts_with("there is no interface nosuch0; there are: "),
        "{text}"
    );
    assert!(text.contains("lo"), "{text}");
}
