//! Tables of others, made and listed by messages written by hand: independent of the code under test.

use std::os::fd::OwnedFd;

use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};

fn socket() -> OwnedFd {
    let fd = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, Some(NETFILTER)).unwrap();
    rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0)).unwrap();
    fd
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | 0x8000, &parts.concat())
}

fn message(kind: u16, flags: u16, resource: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = ((20 + body.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([1, 0]);
    bytes.extend(resource.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn transaction(messages: &[Vec<u8>]) {
    let fd = socket();
    let mut bytes = message(0x10, 1, 10, &[]);
    bytes.extend(messages.concat());
    bytes.extend(message(0x11, 1, 10, &[]));
    rustix::net::sendto(&fd, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).unwrap();
    let answer = rustix::net::recv(&fd, &mut [0_u8; 4096], RecvFlags::DONTWAIT);
    assert_eq!(answer.map(|(_, length)| length), Err(rustix::io::Errno::AGAIN), "only errors are answered");
}

/// One message to netfilter, with its acknowledgement.
pub(crate) fn request(kind: u16, flags: u16) {
    let fd = socket();
    let mut bytes = message(kind, flags, 0, &[]);
    bytes[16] = 0;
    rustix::net::sendto(&fd, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).unwrap();
    let mut answer = [0_u8; 64];
    let (_, _length) = rustix::net::recv(&fd, &mut answer, RecvFlags::DONTWAIT).unwrap();
    assert_eq!(answer[16..20], [0; 4], "netfilter refused");
}

const CREATE: u16 = 0x401;

/// A table with a base chain, a named counter and a rule that counts.
fn table(name: &str, counter: &str, chain: &str, priority: u32) -> [Vec<u8>; 4] {
    let text = |kind, value: &str| attribute(kind, format!("{value}\0").as_bytes());
    let hook = nested(4, &[attribute(1, &1_u32.to_be_bytes()), attribute(2, &priority.to_be_bytes())]);
    let value = nested(4, &[attribute(1, &2222_u64.to_be_bytes()), attribute(2, &11_u64.to_be_bytes())]);
    let objref =
        nested(1, &[text(1, "objref"), nested(2, &[attribute(1, &1_u32.to_be_bytes()), text(2, counter)])]);
    // A rule for UDP only, so that its counter keeps still while TCP is tested.
    let load = nested(
        1,
        &[
            text(1, "meta"),
            nested(2, &[attribute(1, &8_u32.to_be_bytes()), attribute(2, &16_u32.to_be_bytes())]),
        ],
    );
    let compare = nested(
        1,
        &[
            text(1, "cmp"),
            nested(
                2,
                &[
                    attribute(1, &8_u32.to_be_bytes()),
                    attribute(2, &0_u32.to_be_bytes()),
                    nested(3, &[attribute(1, &[17])]),
                ],
            ),
        ],
    );
    [
        message(0x0A00, CREATE, 0, &[text(1, name)]),
        message(0x0A03, CREATE, 0, &[text(1, name), text(3, chain), hook, text(7, "filter")]),
        message(
            0x0A12,
            CREATE,
            0,
            &[text(1, name), text(2, counter), attribute(3, &1_u32.to_be_bytes()), value],
        ),
        message(
            0x0A06,
            CREATE | 0x800,
            0,
            &[text(1, name), text(2, chain), nested(4, &[load, compare, objref])],
        ),
    ]
}

pub(crate) fn create() {
    transaction(&table("somebody", "theirs", "their_input", 0));
}

/// What an older version might have left: the same chain elsewhere, counters in use.
pub(crate) fn create_our_table_with_another_priority() {
    transaction(&table("sakimori", "queued_input_to_server", "input", 300));
}

/// Every table, chain, rule, set and named object of the namespace, as the kernel describes it.
pub(crate) fn everything() -> Vec<Vec<u8>> {
    let fd = socket();
    let mut found = Vec::new();
    for kind in [1, 4, 7, 10, 19] {
        let mut request = message(0x0A00 | kind, 0x301, 0, &[]);
        request[16] = 0;
        rustix::net::sendto(&fd, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).unwrap();
        let mut buffer = vec![0_u8; 65_536];
        'dump: loop {
            let (_, length) = rustix::net::recv(&fd, &mut buffer[..], RecvFlags::DONTWAIT).unwrap();
            let mut rest = &buffer[..length];
            while rest.len() >= 16 {
                let size = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
                let kind = u16::from_ne_bytes(rest[4..6].try_into().unwrap());
                assert_ne!(kind, 2, "the kernel lists what is asked for");
                if kind == 3 {
                    break 'dump;
                }
                // Type and attributes; the header between holds the generation of the rules.
                let mut description = rest[4..6].to_vec();
                description.extend(&rest[20..size]);
                found.push(description);
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
    found
}
