//! A network of a test's own, in which this machine's loopback is all there is: no route leads anywhere.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::apart::Apart;

const NETWORK: Apart = Apart {
    namespace: "--net",
    begin: "ip link set lo up",
    what: "a network",
};

/// Runs a test in a process without a network. `name` is the test's whole name as the test runner prints it.
pub(crate) fn without_a_network(name: &str, test: impl FnOnce()) {
    NETWORK.run(name, || {
        // An address that is kept for documentation: with a route, this would time out and not be unreachable.
        let elsewhere: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let error = TcpStream::connect_timeout(&elsewhere, Duration::from_secs(30)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable, "{error}");
        test();
    });
}
