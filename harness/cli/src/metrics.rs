//! What a server measures, in the text form of Prometheus, over HTTP.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tiny_http::{Method, Response, Server};

use crate::exit::{Failure, harness, usage};

/// Upper bounds of the buckets of histograms: times, shares and numbers, by how their names end.
const BUCKETS: [(&str, &[f64]); 3] = [
    (
        "_seconds",
        &[
            0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
        ],
    ),
    ("_ratio", &[0.0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]),
    (
        "_per_connection",
        &[0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0],
    ),
];

/// Offers what is measured from now on at `/metrics` of this address for as long as the program runs; returns
/// the address, whose port is another one for 0.
///
/// # Errors
/// The address is taken.
pub(crate) fn offer(address: SocketAddr, describe: fn()) -> Result<SocketAddr, Failure> {
    let server = Server::http(address);
    let server = server.map_err(|error| usage(format!("--metrics {address}: {error}")))?;
    let problem = |error: &dyn std::fmt::Display| harness(format!("metrics: {error}"));
    let mut builder = PrometheusBuilder::new();
    for (end, bounds) in BUCKETS {
        let of = Matcher::Suffix(end.to_owned());
        builder = builder
            .set_buckets_for_metric(of, bounds)
            .map_err(|error| problem(&error))?;
    }
    let recorder = builder.build_recorder();
    let all = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| problem(&error))?;
    describe();
    let local = server.server_addr().to_ip().unwrap_or(address);
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            all.run_upkeep();
            let response = match (request.method(), request.url()) {
                (Method::Get | Method::Head, "/metrics") => Response::from_string(all.render()),
                (_, _) => Response::from_string("there is GET /metrics\n").with_status_code(404),
            };
            // Who asks may be gone by now.
            let _ = request.respond(response);
        }
    });
    Ok(local)
}
