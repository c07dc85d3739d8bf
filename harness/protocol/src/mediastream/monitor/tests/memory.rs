//! Memory is bounded by the sessions that live.

use super::*;
use crate::monitor::Monitor;

fn scan(bytes: &[u8], tuples: u32, monitor: &mut dyn Monitor, emit: &mut dyn FnMut(Observation)) {
    for n in 0..tuples {
        let [a, b, c, d] = n.to_be_bytes();
        let packet = Datagram {
            number: u64::from(n) + 1,
            time: Duration::from_micros(u64::from(n)),
            source: ([10, a, b, c], 1_024 + u16::from(d)).into(),
            destination: ([10, 200, 0, 1], 4_444).into(),
            payload: bytes,
            length: bytes.len(),
        };
        monitor.datagram(&packet, emit);
    }
}

#[test]
fn each_tuple_of_a_scan_is_reported_before_the_capture_ends() {
    let mut monitor = crate::mediastream::monitor::new(&at(Vantage::Path));
    let mut sessions = 0_u32;
    let syn = Frame::Syn(Control::new(&[0; 37])).to_vec();
    let mut emit = |observation| {
        if matches!(observation, Observation::Session(_)) {
            sessions += 1;
        }
    };
    scan(&syn, 200_000, monitor.as_mut(), &mut emit);
    assert!(sessions > 200_000 - 32_768, "{sessions}");
    let mut rest = 0;
    monitor.finish(Duration::from_millis(200), &mut |_| rest += 1);
    assert!(rest <= 32_768, "{rest}");
}

#[test]
fn a_stream_survives_a_scan() {
    let stream = Talk::legacy(40);
    let mut monitor = crate::mediastream::monitor::new(&at(Vantage::Sender));
    let mut findings = Vec::new();
    let mut frames = 0;
    let mut emit = |observation| match observation {
        Observation::Finding(finding) => findings.push(finding),
        Observation::Session(session) => frames = frames.max(session.frames),
        Observation::Inconclusive(_) => {}
    };
    for (index, sent) in stream.sent.iter().enumerate() {
        let packet = Datagram {
            number: index as u64 + 1,
            time: Duration::from_secs_f64(sent.time / 1e3),
            source: sent.from,
            destination: sent.to,
            payload: &sent.bytes,
            length: sent.bytes.len(),
        };
        monitor.datagram(&packet, &mut emit);
        for port in 0..2_000_u16 {
            let stray = Datagram {
                source: ([10, 1, index as u8, 1], 1_024 + port).into(),
                payload: b"anything",
                length: 8,
                ..packet
            };
            monitor.datagram(&stray, &mut emit);
        }
    }
    monitor.finish(Duration::from_secs(9), &mut emit);
    assert_eq!(frames, 40);
    assert!(findings.is_empty(), "{findings:#?}");
}
