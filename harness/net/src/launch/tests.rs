use super::*;

fn launcher(start: &str, address: &str) -> Launcher {
    let text = format!(
        "name = \"test\"\nprotocol = \"mediastream\"\nrole = \"responder\"\n\
         modes = [\"legacy\"]\n[start]\n{start}\n[reach]\naddress = \"{address}\"\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n"
    );
    let iut = Arc::new(toml::from_str(&text).unwrap());
    Launcher::new(iut, 1, String::from("shakedown"))
}

fn legacy() -> Needs {
    Needs {
        role: shakedown_protocol::requirement::Role::Responder,
        mode: String::from("legacy"),
        options: Vec::new(),
        plain: false,
        stream: None,
        stream_has: None,
        buffer_period: None,
    }
}

#[tokio::test]
async fn a_line_of_its_output_makes_it_ready_and_placeholders_are_filled_in() {
    let start = r#"command = ["/bin/sh", "-c", "echo ready {mode} {address} {seed} {{x}}; exec sleep 9"]
                   ready = { line = "ready legacy" }"#;
    let launcher = launcher(start, "127.0.0.1:{port}");
    let instance = launcher.responder(&legacy()).await.unwrap();
    let output = instance.process.unwrap().output().tail();
    let address = instance.address.unwrap();
    assert_eq!(output, format!("ready legacy {address} 1 {{x}}\n"));
}

#[test]
fn each_start_has_a_seed_of_its_own_that_can_be_repeated() {
    let launcher = launcher("command = []", "127.0.0.1:1");
    let seeds = |purpose: &str| {
        let launcher = launcher.of(purpose, &legacy());
        [launcher.next_seed(), launcher.next_seed()]
    };
    let [first, second] = seeds("a");
    assert_ne!(first, second);
    assert_eq!([first, second], seeds("a"));
    assert_ne!([first, second], seeds("b"));
}

#[tokio::test]
async fn one_that_ends_at_once_is_named_with_status_and_output() {
    let start = r#"command = ["/bin/sh", "-c", "echo no licence >&2; exit 9"]"#;
    let launcher = launcher(start, "127.0.0.1:{port}");
    let error = launcher.responder(&legacy()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the implementation ended before it was ready (exit status 9); it printed:\nno licence"
    );
}

#[tokio::test]
async fn a_port_that_somebody_has_is_said_before_anything_is_started() {
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let launcher = launcher(r#"command = ["/bin/false"]"#, &address.to_string());
    let error = launcher.responder(&legacy()).await.unwrap_err();
    assert!(matches!(error, LaunchError::PortInUse { address: said } if said == address));
}

#[test]
fn a_port_that_somebody_had_for_a_moment_is_a_reason_to_try_another() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    assert!(LaunchError::PortInUse { address }.is_by_port(address));
    assert!(!LaunchError::Description(String::new()).is_by_port(address));
}

#[tokio::test]
async fn an_unknown_placeholder_and_an_address_that_is_none_are_said() {
    let wrong = launcher(r#"command = ["/bin/true", "{adress}"]"#, "127.0.0.1:{port}");
    let error = wrong.responder(&legacy()).await.unwrap_err().to_string();
    assert!(
        error.contains("{adress} in \"{adress}\" is no placeholder"),
        "{error}"
    );
    let wrong = launcher(r#"command = ["/bin/true"]"#, "127.0.0.1");
    let error = wrong.responder(&legacy()).await.unwrap_err().to_string();
    assert!(
        error.contains("the address \"127.0.0.1\", which cannot be used"),
        "{error}"
    );
}
