//! A protocol's page for browsers, a client of it in JavaScript, offered on this machine.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Map, Value};
use tiny_http::{Header, Method, Response, Server};

use crate::exit::{Failure, usage};

/// Where a page takes its settings from.
const GIVEN: &str = r#"<script type="application/json" id="given">{}</script>"#;

/// Offers the page at this port of localhost for as long as the program runs; returns the port, which is
/// another one for 0. Elsewhere browsers would have no WebTransport: only localhost needs no TLS for it.
///
/// # Errors
/// The port is taken.
pub(crate) fn offer(page: &str, settings: Map<String, Value>, port: u16) -> Result<u16, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = Server::http(address);
    let server = server.map_err(|error| usage(format!("--page {port}: {error}")))?;
    let port = server
        .server_addr()
        .to_ip()
        .map_or(port, |address| address.port());
    // No text of a setting ends the script that it stands in.
    let settings = Value::Object(settings).to_string().replace('<', "\\u003c");
    let page = page.replace(GIVEN, &GIVEN.replace("{}", &settings));
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            // Who asks may be gone by now.
            let answer = answer(&page, request.method(), request.url());
            let _ = request.respond(answer);
        }
    });
    Ok(port)
}

fn answer(page: &str, method: &Method, url: &str) -> Response<std::io::Cursor<Vec<u8>>> {
    let path = url.split('?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        (Method::Get | Method::Head, "/") => (200, "text/html; charset=utf-8", page),
        (Method::Get | Method::Head, _) => (404, "text/plain", "there is only /\n"),
        (_, _) => (405, "text/plain", "only GET is known\n"),
    };
    let response = Response::from_string(body).with_status_code(status);
    match Header::from_bytes("Content-Type", kind) {
        Ok(header) => response.with_header(header),
        Err(()) => response,
    }
}
