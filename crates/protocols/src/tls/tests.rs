use super::*;
use proptest::prelude::*;

fn vector8(content: &[u8]) -> Vec<u8> {
    [&[u8::try_from(content.len()).unwrap()][..], content].concat()
}

fn vector16(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(content)].concat()
}

fn name(name: &[u8]) -> Vec<u8> {
    extension(SERVER_NAME, &vector16(&[&[0][..], &vector16(name)].concat()))
}

fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &[7; 32],
        &vector8(&[1; 32]),
        &vector16(&[0x13, 1]),
        &vector8(&[0]),
        &vector16(&extensions.concat()),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[CLIENT_HELLO][..], &length[1..], &body].concat()
}

/// The message in records of at most `most` bytes.
fn records(message: &[u8], most: usize) -> Vec<u8> {
    message.chunks(most).flat_map(|part| [&[HANDSHAKE, 3, 1][..], &vector16(part)].concat()).collect()
}

fn usual() -> Vec<u8> {
    message(&[
        extension(10, &[0, 2, 0, 29]),
        name(b"www.example.test"),
        extension(ALPN, &vector16(&[vector8(b"h2"), vector8(b"http/1.1")].concat())),
    ])
}

fn all_at_once(bytes: &[u8]) -> ClientHello {
    Greeting::default().feed(bytes).expect("the message is whole")
}

#[test]
fn name_and_protocols_are_read() {
    let hello = all_at_once(&records(&usual(), 1 << 14));
    assert_eq!(hello.server_name.as_deref(), Some(&b"www.example.test"[..]));
    assert_eq!(hello.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(hello.anomalies.is_empty());
    let bare = all_at_once(&records(&message(&[]), 1 << 14));
    assert_eq!((bare.server_name, bare.anomalies.is_empty()), (None, true));
}

#[test]
fn garbage_is_not_waited_for() {
    for garbage in [
        &b"GET / HTTP/1.1\r\n"[..],
        &[21, 3, 1, 0, 2, 1, 0],
        &[22, 2, 0],
        &[22, 3, 1, 0, 0],
        &[22, 3, 1, 0, 1, 2],
        &[128, 46, 1],
    ] {
        let hello = all_at_once(garbage);
        assert!(!hello.anomalies.is_empty() && hello.server_name.is_none(), "{garbage:?}");
    }
}

#[test]
fn odd_messages_give_what_can_be_read() {
    let two = message(&[extension(
        SERVER_NAME,
        &vector16(&[&[0][..], &vector16(b"a.test"), &[0], &vector16(b"b.test")].concat()),
    )]);
    let hello = all_at_once(&records(&two, 1 << 14));
    assert_eq!(hello.server_name.as_deref(), Some(&b"a.test"[..]));
    assert!(hello.anomalies.contains(Anomaly::SeveralNames));

    let covered = message(&[name(b"cover.test"), extension(ENCRYPTED_CLIENT_HELLO, &[0; 20])]);
    assert!(all_at_once(&records(&covered, 1 << 14)).anomalies.contains(Anomaly::EncryptedHello));

    let mut interrupted = records(&usual(), 100);
    let second = 105;
    interrupted[second] = 23;
    assert!(all_at_once(&interrupted).anomalies.contains(Anomaly::Interrupted));

    let padding = extension(21, &vec![0; 60_000]);
    let long = message(&[name(b"first.test"), padding]);
    let hello = all_at_once(&records(&long, 1 << 14));
    assert_eq!(hello.server_name.as_deref(), Some(&b"first.test"[..]));
    assert!(hello.anomalies.contains(Anomaly::TooLong));
}

proptest! {
    #[test]
    fn cut_anywhere_it_is_the_same(record in 1..400_usize, piece in 1..50_usize) {
        let bytes = records(&usual(), record);
        let mut greeting = Greeting::default();
        let hellos: Vec<ClientHello> = bytes.chunks(piece).filter_map(|part| greeting.feed(part)).collect();
        prop_assert_eq!(hellos, vec![all_at_once(&bytes)]);
    }

    #[test]
    fn any_bytes_are_survived_in_bounded_memory(bytes in proptest::collection::vec(any::<u8>(), 0..600), piece in 1..50_usize) {
        let mut greeting = Greeting::default();
        for part in bytes.chunks(piece) {
            let _maybe = greeting.feed(part);
            prop_assert!(greeting.memory_bytes() <= 2 * MOST_BYTES);
        }
    }

    #[test]
    fn any_changed_byte_is_survived(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = records(&usual(), 64);
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _maybe = Greeting::default().feed(&bytes);
    }
}
