//! Ports that monitors listen on for as long as they live.

use crate::exit::{Context, Failure};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Ports for the monitors, which must keep theirs, so not of those that the kernel lends to outgoing connections:
/// one of them might hold it when the monitor is started again.
const MONITOR_PORTS: std::ops::Range<u16> = 16_384..32_768;
/// So many are tried before giving up.
const PORT_TRIES: usize = 200;

/// Draws a port for a monitor at this address of the host.
pub(crate) fn free_port(at: IpAddr) -> Result<SocketAddr, Failure> {
    let mut last = None;
    for _ in 0..PORT_TRIES {
        let addr = SocketAddr::new(at, crate::keys::draw_port(MONITOR_PORTS)?);
        match TcpListener::bind(addr) {
            Ok(_) => return Ok(addr),
            Err(e) => last = Some(e),
        }
    }
    let why = last.map_or_else(String::new, |e| format!(": {e}"));
    Err(Failure::unusable(format!("a monitor cannot listen on {at}{why}")))
}

/// Draws ports for the monitors, all held at once so that they differ.
pub(crate) fn free_ports(n: u32) -> Result<Vec<SocketAddr>, Failure> {
    let mut held: Vec<TcpListener> = Vec::new();
    let mut last = None;
    for _ in 0..PORT_TRIES {
        if held.len() as u32 == n {
            break;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, crate::keys::draw_port(MONITOR_PORTS)?)) {
            Ok(listener) => held.push(listener),
            Err(e) => last = Some(e),
        }
    }
    if (held.len() as u32) < n {
        let why = last.map_or_else(String::new, |e| format!(": {e}"));
        return Err(Failure::unusable(format!("no port of {MONITOR_PORTS:?} is free for a monitor{why}")));
    }
    held.iter().map(|l| l.local_addr().or_unusable("port")).collect()
}
