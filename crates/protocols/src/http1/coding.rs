//! Undoing content codings (RFC 9110 §8.4.1): what rules look at is what the receiver reads.
//!
//! Receivers are lenient, and attackers know how: a body that is not coded as its header says is taken as it is, a stream
//! that breaks off is read as far as it goes, what stands behind its end is left out, and `deflate` is read with and without
//! the frame of zlib.
use super::lenient::{self, Field};
use super::{Anomaly, Message};
use flate2::{Decompress, FlushDecompress, Status};

/// Codings one upon another that are undone: browsers undo as many as are named, servers apply one.
const LAYERS: usize = 3;
/// The longest gzip header: name and comment have no bound of their own (RFC 1952 §2.3).
const GZIP_HEADER_BYTES: usize = 4 << 10;
/// Bytes that are decoded at once, between two layers.
const PIECE_BYTES: usize = 4 << 10;

/// Undoes the codings of one body.
///
/// # Bounds
/// 44 KiB for each of at most three layers, and what the caller makes room for.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The one that was applied last comes first.
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    state: State,
    /// Whether anything came of it; before that, what cannot be decoded is taken as it is.
    decoded: bool,
}

#[derive(Debug)]
enum State {
    /// Before the end of a gzip header: what there is of it.
    GzipHeader(Vec<u8>),
    /// Before the second byte, which tells zlib's frame from none.
    DeflateHeader(Vec<u8>),
    Inflate(Box<Decompress>),
    /// Not coded after all.
    Plain,
    /// Its stream is over, or broken.
    Over,
}

/// What became of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// All were decoded.
    Whole,
    /// Decoding stopped where there was no more room.
    NoRoom,
}

enum Coding {
    Gzip,
    Deflate,
}

// === impl Decoder ===

impl Decoder {
    /// For what the headers of a response name, as receivers read them; `None` where nothing has to be undone.
    pub(crate) fn of(message: &mut Message, fields: &[Field]) -> Option<Self> {
        let mut layers = Vec::new();
        let mut unknown = false;
        for (name, value) in fields {
            let transfer = name == b"transfer-encoding";
            if !transfer && name != b"content-encoding" {
                continue;
            }
            for coding in lenient::words(value) {
                match &coding[..] {
                    b"gzip" | b"xgzip" => layers.push(Coding::Gzip),
                    b"deflate" | b"xdeflate" => layers.push(Coding::Deflate),
                    b"" | b"identity" | b"none" => {}
                    _ => unknown |= !transfer,
                }
            }
        }
        if unknown || layers.len() > LAYERS {
            message.anomalies.insert(Anomaly::ContentEncodingUnknown);
        }
        let layers: Vec<Layer> = layers.iter().rev().take(LAYERS).map(Layer::new).collect();
        (!layers.is_empty()).then_some(Self { layers })
    }

    /// Decodes the next bytes to the end of `out`, up to `limit` bytes in all.
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Decoded {
        decode(&mut self.layers, input, out, limit)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        const WINDOW_AND_TABLES: usize = 44 << 10;
        let inflating = |layer: &&Layer| matches!(layer.state, State::Inflate(_));
        self.layers.iter().filter(inflating).count() * WINDOW_AND_TABLES
    }
}

fn decode(layers: &mut [Layer], input: &[u8], out: &mut Vec<u8>, limit: usize) -> Decoded {
    let Some((layer, rest)) = layers.split_first_mut() else {
        let room = limit.saturating_sub(out.len());
        out.extend(input.iter().take(room));
        return if input.len() > room { Decoded::NoRoom } else { Decoded::Whole };
    };
    layer.push(input, &mut |bytes| decode(rest, bytes, out, limit))
}

// === impl Layer ===

impl Layer {
    fn new(coding: &Coding) -> Self {
        let state = match coding {
            Coding::Gzip => State::GzipHeader(Vec::new()),
            Coding::Deflate => State::DeflateHeader(Vec::new()),
        };
        Self { state, decoded: false }
    }

    fn push(&mut self, input: &[u8], next: &mut dyn FnMut(&[u8]) -> Decoded) -> Decoded {
        match &mut self.state {
            State::Plain => next(input),
            State::Over => Decoded::Whole,
            State::Inflate(_) => self.inflate(input, next),
            State::GzipHeader(header) => {
                header.extend_from_slice(input);
                match gzip_header(header) {
                    Header::Short if header.len() <= GZIP_HEADER_BYTES => Decoded::Whole,
                    Header::Length(length) => self.begin(length, false, next),
                    Header::Short | Header::None => self.as_it_is(next),
                }
            }
            State::DeflateHeader(header) => {
                header.extend_from_slice(input);
                match header[..] {
                    [] | [_] => Decoded::Whole,
                    [first, second, ..] => {
                        // RFC 1950 §2.2: the method is 8, and both bytes as a number are a multiple of 31.
                        let framed =
                            first & 0x0F == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
                        self.begin(0, framed, next)
                    }
                }
            }
        }
    }

    /// The header is over after so many bytes: what is behind it is the first to be decoded.
    fn begin(&mut self, length: usize, framed: bool, next: &mut dyn FnMut(&[u8]) -> Decoded) -> Decoded {
        let inflate = State::Inflate(Box::new(Decompress::new(framed)));
        let (State::GzipHeader(header) | State::DeflateHeader(header)) =
            std::mem::replace(&mut self.state, inflate)
        else {
            return Decoded::Whole;
        };
        self.inflate(header.get(length..).unwrap_or_default(), next)
    }

    /// It is not coded as its header says.
    fn as_it_is(&mut self, next: &mut dyn FnMut(&[u8]) -> Decoded) -> Decoded {
        match std::mem::replace(&mut self.state, State::Plain) {
            State::GzipHeader(bytes) | State::DeflateHeader(bytes) => next(&bytes),
            _ => Decoded::Whole,
        }
    }

    fn inflate(&mut self, mut input: &[u8], next: &mut dyn FnMut(&[u8]) -> Decoded) -> Decoded {
        let State::Inflate(inflater) = &mut self.state else { return Decoded::Whole };
        let whole = input;
        let mut piece = [0; PIECE_BYTES];
        loop {
            let (before, made) = (inflater.total_in(), inflater.total_out());
            let status = inflater.decompress(input, &mut piece, FlushDecompress::None);
            let taken = usize::try_from(inflater.total_in() - before).unwrap_or(usize::MAX);
            let made = usize::try_from(inflater.total_out() - made).unwrap_or(0);
            input = input.get(taken..).unwrap_or_default();
            if made > 0 {
                self.decoded = true;
                if next(piece.get(..made).unwrap_or_default()) == Decoded::NoRoom {
                    return Decoded::NoRoom;
                }
            }
            match status {
                Ok(Status::StreamEnd) => {
                    self.state = State::Over;
                    return Decoded::Whole;
                }
                Err(_broken) if self.decoded => {
                    self.state = State::Over;
                    return Decoded::Whole;
                }
                Err(_never_was_any) => {
                    self.state = State::Plain;
                    return next(whole);
                }
                Ok(Status::Ok | Status::BufError) if made == 0 && taken == 0 => return Decoded::Whole,
                Ok(Status::Ok | Status::BufError) => {}
            }
        }
    }
}

/// Where a gzip header ends.
enum Header {
    /// Not yet.
    Short,
    /// There is none.
    None,
    Length(usize),
}

/// Looks for the end of a gzip header (RFC 1952 §2.3).
fn gzip_header(bytes: &[u8]) -> Header {
    const SUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let magic = [0x1F, 0x8B, 8];
    if bytes.iter().zip(&magic).any(|(byte, wanted)| byte != wanted) {
        return Header::None;
    }
    let Some(flags) = bytes.get(3) else { return Header::Short };
    let mut at = 10;
    if flags & EXTRA != 0 {
        let Some([low, high]) = bytes.get(at..at + 2) else { return Header::Short };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(end) = memchr::memchr(0, rest) else { return Header::Short };
            at += end + 1;
        }
    }
    if flags & SUM != 0 {
        at += 2;
    }
    if bytes.len() < at { Header::Short } else { Header::Length(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write as _;

    const TEXT: &[u8] = b"what the receiver reads, what the receiver reads";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The body of a response with these headers, in one piece and byte by byte.
    fn read(headers: &str, body: &[u8]) -> Vec<u8> {
        let decoded = |size: usize| {
            let mut message = Message::default();
            let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n");
            message.head.bytes = head.into_bytes();
            message.head.first_line = 17;
            message.parse_headers(100);
            let mut out = Vec::new();
            let fields = lenient::fields(message.head());
            match Decoder::of(&mut message, &fields) {
                Some(mut decoder) => {
                    for piece in body.chunks(size) {
                        decoder.push(piece, &mut out, 100_000);
                    }
                }
                None => out.extend_from_slice(body),
            }
            out
        };
        let whole = decoded(body.len().max(1));
        assert_eq!(decoded(1), whole, "{headers}: the same however it is cut");
        whole
    }

    #[test]
    fn codings_are_undone_in_whatever_frame() {
        for (headers, body) in [
            ("Content-Encoding: gzip", gzip(TEXT)),
            ("content-encoding:X-GZip", gzip(TEXT)),
            ("Transfer-Encoding: gzip, chunked", gzip(TEXT)),
            ("Content-Encoding: deflate", zlib(TEXT)),
            ("Content-Encoding: deflate", raw(TEXT)),
            ("Content-Encoding: deflate, gzip", gzip(&zlib(TEXT))),
            ("Content-Encoding: gzip\r\nContent-Encoding: gzip", gzip(&gzip(TEXT))),
            ("Content-Encoding: gzip", [&gzip(TEXT), &b"behind its end"[..]].concat()),
            ("Content-Encoding: identity", TEXT.to_vec()),
            ("Content-Encoding: gzip", TEXT.to_vec()),
            ("Content-Encoding: klingon", TEXT.to_vec()),
        ] {
            assert_eq!(read(headers, &body), TEXT, "{headers}");
        }
        let mut named = gzip(TEXT);
        named[3] = 4 | 8 | 16 | 2;
        named.splice(10..10, *b"\x02\x00xxname\0comment\0ss");
        assert_eq!(read("Content-Encoding: gzip", &named), TEXT, "every field that a header may have");
    }

    #[test]
    fn a_stream_that_breaks_off_is_read_as_far_as_it_goes() {
        let long: Vec<u8> =
            (0..40_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let whole = gzip(&long);
        let half = read("Content-Encoding: gzip", &whole[..whole.len() / 2]);
        assert!(half.len() > 50_000 && long.starts_with(&half), "{}", half.len());
    }

    #[test]
    fn a_bomb_costs_what_is_kept_of_it() {
        let bomb = gzip(&gzip(&vec![0; 50 << 20]));
        let mut message = Message::default();
        message.head.bytes = b"HTTP/1.1 200 ok\r\nContent-Encoding: gzip, gzip\r\n\r\n".to_vec();
        message.parse_headers(10);
        let fields = lenient::fields(message.head());
        let mut decoder = Decoder::of(&mut message, &fields).unwrap();
        let mut out = Vec::new();
        assert_eq!(decoder.push(&bomb, &mut out, 1000), Decoded::NoRoom);
        assert_eq!(out.len(), 1000);
        assert!(decoder.memory_bytes() < 100_000);
    }
}
