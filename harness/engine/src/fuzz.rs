//! Bodies of the fuzz targets: each takes any bytes and panics if what must hold does not.

mod proton;

use std::time::Duration;

use shakedown_capture::Capture;
use shakedown_protocol::mediastream;
use shakedown_protocol::mediastream::fuzz::Audit;
use shakedown_protocol::monitor::Vantage;
use shakedown_protocol::{MonitorSettings, Tolerance};

use crate::judge::packet;

/// Takes the bytes as a plan of proton (see [`shakedown_protocol::proton::fuzz`]) for peers of the
/// reference, and has the monitor judge it.
pub fn proton_judged(bytes: &[u8]) {
    proton::run(bytes);
}

/// Takes the bytes as a capture file: the reader delivers what is readable, and the monitor behind
/// it says only what there is.
pub fn capture(bytes: &[u8]) {
    for vantage in [Vantage::Path, Vantage::Sender] {
        check(bytes, vantage);
    }
}

fn check(bytes: &[u8], vantage: Vantage) {
    let Ok(mut capture) = Capture::open(bytes) else {
        return;
    };
    let mut monitor = mediastream::new_monitor(&MonitorSettings {
        vantage,
        tolerance: Tolerance::new(0.25),
        stream: None,
        max_datagram: None,
        options: None,
        mode: None,
        supervised: false,
    });
    let mut audit = Audit::default();
    let mut last = None;
    let mut end = Duration::ZERO;
    // A damaged file ends the capture, not the judgement of what was readable.
    while let Ok(Some(datagram)) = capture.next_datagram() {
        let packet = packet(&datagram);
        assert!(packet.payload.len() <= packet.length);
        assert!(last < Some(packet.number), "numbers rise");
        last = Some(packet.number);
        end = end.max(packet.time);
        audit.begin(&packet);
        monitor.packet(&packet, &mut |said| audit.hear(&said));
    }
    assert_eq!(
        capture.next_datagram().ok().flatten(),
        None,
        "an end is an end"
    );
    audit.end(end);
    monitor.finish(end, &mut |said| audit.hear(&said));

    let statistics = capture.statistics();
    assert!(last <= Some(statistics.packets));
    assert!(statistics.cut <= statistics.datagrams);
    assert!(statistics.datagrams <= statistics.packets);
    assert!(capture.bytes_read() <= bytes.len() as u64);
}
