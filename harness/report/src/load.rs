//! The numbers of a load in words, for the reports.

use shakedown_engine::event::{Latency, LoadSummary};

/// What a load measured: names and values, in the order of the report.
pub(crate) fn numbers(load: &LoadSummary) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("plays", load.plays.to_string()),
        ("at the same time", load.concurrency.to_string()),
        ("completed", load.completed.to_string()),
        ("failed", load.failed.to_string()),
    ];
    let not_begun = load.plays.saturating_sub(load.started);
    if load.cut_off + not_begun > 0 {
        let text = format!("{} cut off, {not_begun} not begun", load.cut_off);
        all.push(("not played", text));
    }
    all.push(("handshakes", load.handshakes.to_string()));
    let rate = load.handshakes_per_second;
    let text = format!("{rate:.0} (the best second {})", load.best_second);
    all.push(("handshakes a second", text));
    for (name, latency) in [
        ("time to handshake", &load.time_to_handshake),
        ("time to first media", &load.time_to_first_media),
    ] {
        if let Some(latency) = latency {
            all.push((name, percentiles(latency)));
        }
    }
    if let Some(bytes) = load.peak_memory {
        let mebibytes = bytes as f64 / f64::from(1 << 20);
        all.push(("peak memory of the IUT", format!("{mebibytes:.1} MiB")));
    }
    if load.dropped_by_iut + load.dropped_by_us > 0 {
        let (there, here) = (load.dropped_by_iut, load.dropped_by_us);
        let text = format!("{there} that the IUT did not read in time, {here} that we did not");
        all.push(("datagrams dropped", text));
    }
    all.push(("total time", format!("{:.2} s", load.seconds)));
    all
}

fn percentiles(latency: &Latency) -> String {
    let Latency { p50, p90, p99, max } = latency;
    let of = |seconds: &f64| format!("{:.2}", seconds * 1e3);
    format!(
        "p50 {}, p90 {}, p99 {}, max {} ms",
        of(p50),
        of(p90),
        of(p99),
        of(max)
    )
}
