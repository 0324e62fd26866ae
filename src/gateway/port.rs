//! Whether a gateway runs on this host: what its own commands say cannot tell one that runs with an older token from none.

use super::{Settings, Version};
use serde_json::Value;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Where a gateway listens that was told nothing else.
const USUAL: u16 = 18789;
/// How long one address of this host is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// The port of the gateway with these settings and this configuration, as its own commands find it.
pub fn port(settings: &Settings, config: Option<&Value>, version: Version) -> u16 {
    let usable = |port: u64| u16::try_from(port).ok().filter(|port| *port > 0);
    let named = settings.port.as_deref().and_then(|port| usable(port.trim().parse().ok()?));
    let configured = || usable(config?.get("gateway")?.get("port")?.as_u64()?);
    let profile = || settings.profile.as_deref().map(str::trim).filter(|name| !["", "default"].contains(name));
    named.or_else(configured).or_else(|| profile().filter(|_| version >= OF_PROFILES).map(of_profile)).unwrap_or(USUAL)
}

/// From here on each profile has a port of its own; it is not known since when before.
const OF_PROFILES: Version = Version(2026, 9, 0);

/// The port of a profile: FNV-1a of its name, between 20000 and 60000.
fn of_profile(name: &str) -> u16 {
    let hash = name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    u16::try_from(20_000 + hash % 40_000).unwrap_or(USUAL)
}

/// Whether anything listens on this port of the loopback interface.
pub fn listens(port: u16) -> bool {
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    addresses.iter().any(|address| TcpStream::connect_timeout(address, PATIENCE).is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::net::TcpListener;

    #[test]
    fn the_port_is_found_as_the_gateway_finds_it() {
        let (older, newer) = (Version(2026, 4, 27), Version(2026, 9, 6));
        let with = |env: Option<&str>, profile: Option<&str>| Settings {
            port: env.map(str::to_owned),
            profile: profile.map(str::to_owned),
            ..Settings::default()
        };
        let config = json!({"gateway": {"port": 19001}});
        assert_eq!(port(&with(Some(" 19002 "), None), Some(&config), newer), 19002);
        assert_eq!(port(&with(Some("x"), Some("work")), Some(&config), newer), 19001);
        assert_eq!(port(&with(None, Some("default")), Some(&json!({"gateway": {"port": "1"}})), newer), USUAL);
        assert_eq!(port(&with(None, Some("work")), None, older), USUAL);
        // As `node` computes it.
        assert_eq!(port(&with(None, Some("work")), None, newer), WORK);
    }

    /// The port of the profile `work` in 2026.9.6.
    const WORK: u16 = 41984;

    #[test]
    fn who_listens_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port));
        drop(listener);
        assert!(!listens(port));
    }
}
