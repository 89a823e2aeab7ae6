use super::*;
use proptest::prelude::*;

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[1..], message].concat()
}

fn header2(command: u16, response: bool, id: u64) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..4].copy_from_slice(b"\xfeSMB");
    header[12..14].copy_from_slice(&command.to_le_bytes());
    header[16] = u8::from(response);
    header[24..32].copy_from_slice(&id.to_le_bytes());
    header[36] = 5;
    header
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A file is opened, written and closed.
fn client() -> Vec<u8> {
    let name = utf16("a.txt");
    let mut create = header2(5, false, 1);
    create.extend([0; 56]);
    create[64 + 44] = 120;
    create[64 + 46] = u8::try_from(name.len()).unwrap();
    create.extend(name);
    let mut write = header2(9, false, 2);
    write.extend([0; 48]);
    write[64 + 2] = 112;
    write[64 + 4] = 5;
    write[64 + 16..64 + 32].fill(7);
    write.extend(b"hello");
    let mut close = header2(6, false, 3);
    close.extend([0; 24]);
    close[64 + 8..64 + 24].fill(7);
    [framed(&create), framed(&write), framed(&close)].concat()
}

fn opened() -> Vec<u8> {
    let mut answer = header2(5, true, 1);
    answer.extend([0; 88]);
    answer[64 + 64..64 + 80].fill(7);
    framed(&answer)
}

#[test]
fn a_file_is_written() {
    let (mut session, mut said) = (Session::default(), Vec::new());
    let client = client();
    let first = 4 + 64 + 56 + 10;
    session.feed(Side::Client, &client[..first], &mut said);
    session.feed(Side::Server, &opened(), &mut said);
    session.feed(Side::Client, &client[first..], &mut said);
    let data =
        Data { file: [7; 16], name: b"a.txt".to_vec(), offset: 0, bytes: b"hello".to_vec(), length: 5 };
    assert!(said.contains(&Said::Data(data)), "{said:?}");
    assert_eq!(said.last(), Some(&Said::Close([7; 16])));
}

#[test]
fn a_share_of_pipes_of_version_1() {
    let mut message = b"\xffSMB\x75".to_vec();
    message.resize(32, 0);
    message.extend([4, 0xff, 0, 0, 0, 0, 0, 1, 0, 24, 0, 0]);
    message.extend(b"\\\\127.0.0.1\\IPC$\0?????\0");
    let (mut session, mut said) = (Session::default(), Vec::new());
    session.feed(Side::Client, &framed(&message), &mut said);
    assert_eq!(said.last(), Some(&Said::Share(b"\\\\127.0.0.1\\IPC$".to_vec(), true)));
}

proptest! {
    #[test]
    fn how_bytes_are_cut_changes_nothing(cut in 1_usize..60) {
        let bytes = client();
        let all = |pieces: &[&[u8]]| {
            let (mut session, mut said) = (Session::default(), Vec::new());
            for piece in pieces {
session.feed(Side::Client, piece, &mut said);
}
            said
        };
        let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
        prop_assert_eq!(all(&pieces), all(&[&bytes]));
    }

    #[test]
    fn anything_is_taken(version in 0xfe_u8..=0xff, command in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..200), server in any::<bool>()) {
        let side = if server { Side::Server } else { Side::Client };
        let mut message = vec![version, b'S', b'M', b'B', command];
        message.extend(body);
        let (mut session, mut said) = (Session::default(), Vec::new());
        session.feed(side, &framed(&message), &mut said);
        prop_assert!(session.memory_bytes() <= 2 * MESSAGE_BYTES);
    }
}
