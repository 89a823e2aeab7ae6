//! Transformations: what is done to a value before an operator looks at it. One file each.
//!
//! Each takes bytes and gives the new bytes, or `None` where nothing changes; most values pass unchanged, and an unchanged
//! value shares everything that is known about it already.

mod base64;
mod bytes;
mod cmd_line;
mod comments;
mod compress_whitespace;
mod css_decode;
mod digest;
mod escape_seq_decode;
mod hex;
mod html_entity_decode;
mod js_decode;
mod length;
mod normalise_path;
mod parity;
mod remove_nulls;
mod sql_hex_decode;
mod trim;
mod url_decode;
mod url_encode;
mod utf8_to_unicode;
mod whitespace;

pub(crate) use url_decode::percent as url_decode;

macro_rules! transformations {
    ($($variant:ident, $apply:path, [$($name:literal),+];)+) => {
        /// A transformation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "named as in the language")]
        pub enum Transformation { $($variant,)+ }

        impl Transformation {
            /// Every transformation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// By its name in the language, without regard to case.
            pub fn by_name(name: &str) -> Option<Self> {
                let name = name.to_ascii_lowercase();
                match name.as_str() { $($($name)|+ => Some(Self::$variant),)+ _ => None }
            }

            /// The transformed bytes; `None` where they are as they were.
            pub fn apply(self, input: &[u8]) -> Option<Vec<u8>> {
                match self { $(Self::$variant => $apply(input),)+ }
            }

            /// A number below [`Self::ALL`]`.len()`.
            pub(crate) fn index(self) -> usize { self as usize }
        }
    };
}

transformations! {
    Base64Decode, base64::decode, ["base64decode"];
    Base64DecodeExt, base64::decode_lenient, ["base64decodeext"];
    Base64Encode, base64::encode, ["base64encode"];
    CmdLine, cmd_line::apply, ["cmdline"];
    CompressWhitespace, compress_whitespace::apply, ["compresswhitespace"];
    CssDecode, css_decode::apply, ["cssdecode"];
    EscapeSeqDecode, escape_seq_decode::apply, ["escapeseqdecode"];
    HexDecode, hex::decode, ["hexdecode"];
    HexEncode, hex::encode, ["hexencode"];
    HtmlEntityDecode, html_entity_decode::apply, ["htmlentitydecode"];
    JsDecode, js_decode::apply, ["jsdecode"];
    Length, length::apply, ["length"];
    Lowercase, bytes::lowercase, ["lowercase"];
    Md5, digest::md5, ["md5"];
    NormalisePath, normalise_path::unix, ["normalisepath", "normalizepath"];
    NormalisePathWin, normalise_path::windows, ["normalisepathwin", "normalizepathwin"];
    ParityEven7bit, parity::even, ["parityeven7bit"];
    ParityOdd7bit, parity::odd, ["parityodd7bit"];
    ParityZero7bit, parity::zero, ["parityzero7bit"];
    RemoveComments, comments::remove, ["removecomments"];
    RemoveCommentsChar, comments::remove_chars, ["removecommentschar"];
    RemoveNulls, remove_nulls::remove, ["removenulls"];
    RemoveWhitespace, whitespace::apply, ["removewhitespace"];
    ReplaceComments, comments::replace, ["replacecomments"];
    ReplaceNulls, remove_nulls::replace, ["replacenulls"];
    Sha1, digest::sha1, ["sha1"];
    SqlHexDecode, sql_hex_decode::apply, ["sqlhexdecode"];
    Trim, trim::both, ["trim"];
    TrimLeft, trim::left, ["trimleft"];
    TrimRight, trim::right, ["trimright"];
    Uppercase, bytes::uppercase, ["uppercase"];
    UrlDecode, url_decode::apply, ["urldecode"];
    UrlDecodeUni, url_decode::unicode, ["urldecodeuni"];
    UrlEncode, url_encode::apply, ["urlencode"];
    Utf8ToUnicode, utf8_to_unicode::apply, ["utf8tounicode"];
}

/// The value of a hexadecimal digit.
pub(crate) fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Two hexadecimal digits at the start of `bytes`.
pub(crate) fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let (high, low) = (nibble(*bytes.first()?)?, nibble(*bytes.get(1)?)?);
    Some(high << 4 | low)
}

/// White space as C's `isspace` has it.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// `out`, unless it is as the input was.
fn changed(input: &[u8], out: Vec<u8>) -> Option<Vec<u8>> {
    (out != input).then_some(out)
}
