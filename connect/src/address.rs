//! Which addresses are public. Judged in canonical form, so that no spelling of a private address passes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for. Only [`AddressKind::Public`] is open; [`AddressKind::Loopback`] may be opened by policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// Reachable by everyone.
    Public,
    /// This machine.
    Loopback,
    /// A site's own network: RFC 1918, unique local, site-local.
    Private,
    /// Carrier-grade NAT, 100.64.0.0/10.
    SharedSpace,
    /// The same cable, among them the metadata services of clouds.
    LinkLocal,
    /// Many receivers, or everyone.
    Multicast,
    /// Documentation, benchmarking, protocol assignments, `0.0.0.0/8`, tunnels whose inner address cannot be judged.
    Reserved,
}

impl AddressKind {
    /// The kind of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::SharedSpace => "a shared (carrier) address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
        }
    }
}

fn of_v4(v4: Ipv4Addr) -> AddressKind {
    let [a, b, c, d] = v4.octets();
    match (a, b, c, d) {
        (127, ..) => AddressKind::Loopback,
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) => AddressKind::Private,
        (100, 64..=127, ..) => AddressKind::SharedSpace,
        (169, 254, ..) => AddressKind::LinkLocal,
        (224..=239, ..) | (255, 255, 255, 255) => AddressKind::Multicast,
        // This network; protocol assignments; documentation; 6to4 relays; benchmarking; future use.
        (0, ..)
        | (192, 0, 0 | 2, _)
        | (192, 88, 99, _)
        | (198, 18..=19, ..)
        | (198, 51, 100, _)
        | (203, 0, 113, _)
        | (240..=255, ..) => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

fn of_v6(v6: Ipv6Addr) -> AddressKind {
    if v6.is_loopback() {
        return AddressKind::Loopback;
    }
    if let Some(inner) = embedded_v4(v6) {
        return of_v4(inner);
    }
    let [a, b, c, ..] = v6.segments();
    match (a, b, c) {
        (0xfe80..=0xfebf, ..) => AddressKind::LinkLocal,
        (0xfc00..=0xfdff, ..) | (0xfec0..=0xfeff, ..) => AddressKind::Private,
        (0xff00..=0xffff, ..) => AddressKind::Multicast,
        // Local-use NAT64; Teredo, ORCHID, benchmarking and the rest of 2001::/23; documentation (two blocks).
        (0x0064, 0xff9b, 1) | (0x2001, 0..=0x01ff, _) | (0x2001, 0x0db8, _) | (0x3fff, 0..=0x0fff, _) => {
            AddressKind::Reserved
        }
        (0x2000..=0x3fff, ..) => AddressKind::Public,
        // Everything outside the one block from which global addresses are given.
        _ => AddressKind::Reserved,
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64, 6to4.
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let join = |high: u16, low: u16| {
        let [one, two] = high.to_be_bytes();
        let [three, four] = low.to_be_bytes();
        Ipv4Addr::new(one, two, three, four)
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x0064, 0xff9b, 0, 0, 0, 0) => {
            Some(join(g, h))
        }
        (0x2002, ..) => Some(join(b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> AddressKind {
        AddressKind::of(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_open() {
        for text in [
            "1.1.1.1",
            "172.15.255.255",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2606:4700::1",
            "2a00::1",
        ] {
            assert_eq!(kind(text), AddressKind::Public, "{text}");
        }
    }

    #[test]
    fn special_addresses_are_closed_in_every_spelling() {
        use AddressKind::{LinkLocal, Loopback, Multicast, Private, Reserved, SharedSpace};
        let cases = [
            ("127.0.0.1", Loopback),
            ("127.255.0.3", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("::127.0.0.1", Loopback),
            ("64:ff9b::7f00:1", Loopback),
            ("2002:7f00:1::", Loopback),
            ("::ffff:0:127.0.0.1", Loopback),
            ("10.1.2.3", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.0.1", Private),
            ("fd00:ec2::254", Private),
            ("fc00::1", Private),
            ("fec0::1", Private),
            ("64:ff9b::a01:203", Private),
            ("2002:a01:203::1", Private),
            ("100.64.0.1", SharedSpace),
            ("169.254.169.254", LinkLocal),
            ("::ffff:169.254.169.254", LinkLocal),
            ("64:ff9b::a9fe:a9fe", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("0.0.0.0", Reserved),
            ("0.1.2.3", Reserved),
            ("::", Reserved),
            ("192.0.0.1", Reserved),
            ("192.0.2.1", Reserved),
            ("198.18.0.1", Reserved),
            ("198.51.100.7", Reserved),
            ("203.0.113.9", Reserved),
            ("240.0.0.1", Reserved),
            ("64:ff9b:1::a9fe:a9fe", Reserved),
            ("2001::1", Reserved),
            ("2001:db8::1", Reserved),
            ("3fff::1", Reserved),
            ("100::1", Reserved),
            ("4000::1", Reserved),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), expected, "{text}");
        }
    }
}
