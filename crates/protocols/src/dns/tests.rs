use super::*;
use proptest::prelude::*;
use std::net::Ipv4Addr;

/// A question for `a.example`, answered by an alias and its address.
const ANSWER: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0\x01a\x07example\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e\
    \xc0\x27\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07";

#[test]
fn names_are_put_together_over_pointers() {
    let message = Message::parse(ANSWER).unwrap();
    assert!(message.anomalies.is_empty() && message.is_response());
    assert_eq!(message.questions[0].name.bytes, b"a.example");
    let [alias, address] = message.answers.as_slice() else { panic!("{message:?}") };
    assert_eq!(alias.data, Data::Name(Name { bytes: b"b.example".to_vec(), is_cut: false }));
    assert_eq!(address.name.bytes, b"b.example");
    assert_eq!(address.data, Data::Address(Ipv4Addr::new(192, 0, 2, 7).into()));
    assert_eq!(Message::may_begin(ANSWER), Some(true));
}

#[test]
fn what_does_not_fit_is_said_and_what_was_read_stays() {
    let cut = Message::parse(&ANSWER[..50]).unwrap();
    assert!(cut.anomalies.contains(Anomaly::Malformed));
    assert_eq!((cut.questions.len(), cut.answers.len()), (1, 1));
    let circle = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01";
    assert!(Message::parse(circle).unwrap().anomalies.contains(Anomaly::NameLoops));
    assert_eq!(Message::may_begin(b"GET / HTTP/1.1\r\n\r\n"), Some(false));
    assert_eq!(Message::may_begin(&ANSWER[..7]), None);
    assert!(Message::parse(&ANSWER[..7]).is_none());
}

#[test]
fn a_stream_is_cut_into_messages_wherever_its_segments_end() {
    let framed = [&[0, u8::try_from(ANSWER.len()).unwrap()], ANSWER].concat().repeat(3);
    for piece in [1, 2, 3, 50, 1000] {
        let mut framing = Framing::default();
        let mut count = 0;
        for bytes in framed.chunks(piece) {
            framing.feed(bytes, |message| {
                assert_eq!(message, ANSWER);
                count += 1;
            });
        }
        assert_eq!(count, 3, "pieces of {piece}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_within_the_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _begins = Message::may_begin(&bytes);
        if let Some(message) = Message::parse(&bytes) {
            let records = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
            let names = message.questions.iter().map(|q| &q.name).chain(records.map(|r| &r.name));
            prop_assert!(names.map(|name| name.bytes.len()).sum::<usize>() <= MOST_NAMES);
        }
    }

    #[test]
    fn a_message_with_any_byte_changed_is_read(at in 0..ANSWER.len(), value in any::<u8>()) {
        let mut bytes = ANSWER.to_vec();
        bytes[at] = value;
        prop_assert!(Message::parse(&bytes).is_some());
    }
}
