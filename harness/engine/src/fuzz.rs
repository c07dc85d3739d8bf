//! Bodies of the fuzz targets: each takes any bytes and panics if what must hold does not.

mod meeting;
pub(crate) mod states;
mod texts;

use std::time::Duration;

use shakedown_capture::Capture;
use shakedown_protocol::exploration::Participants;
use shakedown_protocol::fuzz::Audit;
use shakedown_protocol::monitor::Vantage;
use shakedown_protocol::{MonitorSettings, Protocol, ProtocolMonitor, Tolerance};

use crate::explore::swarm;

pub use meeting::meeting;
pub use states::never_reached;
pub use texts::{description, scenario, vector};

/// Most observations about one packet.
const MOST_OBSERVATIONS: usize = 200;

/// Plays machines that do what was planned for them: whatever the others do, those that are
/// judged break no requirement. `plan` makes the machines.
///
/// # Panics
/// If one is broken, with what led there.
pub fn planned(protocol: &'static Protocol, plan: &dyn Fn() -> Participants) {
    let violations = swarm::planned(protocol, plan(), false).map(|(violations, _)| violations);
    if violations.as_ref().is_ok_and(Vec::is_empty) {
        return;
    }
    // Once more, to report how.
    let told = swarm::planned(protocol, plan(), true).map(|(_, log)| log.join("\n"));
    unreachable!("{}\n{violations:#?}", told.unwrap_or_default());
}

/// Takes the bytes as a capture file: the reader delivers what is readable, and a protocol's monitor of
/// datagrams behind it says only what there is.
pub fn capture(protocol: &'static Protocol, bytes: &[u8]) {
    for vantage in [Vantage::Path, Vantage::Sender] {
        check(protocol, bytes, vantage);
    }
}

fn check(protocol: &'static Protocol, bytes: &[u8], vantage: Vantage) {
    let watcher = (protocol.monitor)(&MonitorSettings {
        vantage,
        tolerance: Tolerance::new(0.25),
        ..MonitorSettings::default()
    });
    let (Ok(mut capture), ProtocolMonitor::Packets(mut monitor)) = (Capture::open(bytes), watcher)
    else {
        return;
    };
    let mut audit = Audit::new(protocol, MOST_OBSERVATIONS);
    let mut last = None;
    let mut end = Duration::ZERO;
    // A damaged file ends the capture, not the judgement of what was readable.
    while let Ok(Some(datagram)) = capture.next_datagram() {
        assert!(datagram.payload.len() <= datagram.length);
        assert!(last < Some(datagram.number), "numbers rise");
        last = Some(datagram.number);
        end = end.max(datagram.time);
        audit.begin(datagram.number, Some(datagram.length));
        monitor.datagram(&datagram, &mut |said| audit.hear(&said));
    }
    assert_eq!(
        capture.next_datagram().ok().flatten(),
        None,
        "an end is an end"
    );
    audit.end();
    monitor.finish(end, &mut |said| audit.hear(&said));

    let statistics = capture.statistics();
    assert!(last <= Some(statistics.packets));
    assert!(statistics.cut <= statistics.datagrams);
    assert!(statistics.datagrams <= statistics.packets);
    assert!(capture.bytes_read() <= bytes.len() as u64);
}
