//! Requests that a rule must stop and requests that it must let pass.
//!
//! `cases/<sid>/fire-*.http` and `pass-*.http` hold raw HTTP requests. For the sake of editors a
//! file without carriage returns has its line ends turned into CRLF, one line end at the end of a
//! body is left out, and a body without `Content-Length` and `Transfer-Encoding` gets a length.
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest case, in bytes.
const CASE_BYTES: u64 = 1 << 20;

/// A request and what must become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The rule it is about.
    pub sid: u32,
    /// Whether the rule must match.
    pub fires: bool,
    /// File name without its end: `fire-query`.
    pub name: String,
    /// The request as it is sent.
    pub request: Vec<u8>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sid, self.name)
    }
}

/// Why cases could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A name says neither what nor about which rule.
    #[error("{0} is not named <sid>/fire-*.http or <sid>/pass-*.http")]
    Name(PathBuf),
}

/// Reads all cases of a pack's folder, sorted.
pub fn load(pack: &Path) -> Result<Vec<Case>, CasesError> {
    let mut cases = Vec::new();
    for folder in entries(&pack.join("cases"))? {
        let sid = folder.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse::<u32>().ok());
        let Some(sid) = sid else { return Err(CasesError::Name(folder)) };
        for path in entries(&folder)? {
            let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".http"));
            let fires = match name {
                Some(name) if name.starts_with("fire-") => true,
                Some(name) if name.starts_with("pass-") => false,
                _ => return Err(CasesError::Name(path)),
            };
            let name = name.unwrap_or_default().to_owned();
            cases.push(Case { sid, fires, name, request: request(&read(&path)?) });
        }
    }
    Ok(cases)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CasesError> {
    let failed = |source| CasesError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, CasesError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| std::io::copy(&mut file.take(CASE_BYTES), &mut bytes))
        .map_err(|source| CasesError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// The bytes that a case's text stands for.
pub fn request(text: &[u8]) -> Vec<u8> {
    if text.contains(&b'\r') {
        return text.to_vec();
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    let head_lines = lines.iter().position(|l| l.is_empty()).unwrap_or(lines.len());
    let (head, rest) = lines.split_at(head_lines);
    let body = rest.get(1..).unwrap_or_default().join(b"\r\n".as_slice());
    let mut out = head.join(b"\r\n".as_slice());
    let has =
        |name: &[u8]| head.iter().any(|l| l.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)));
    let chunked = has(b"transfer-encoding:");
    if !body.is_empty() && !chunked && !has(b"content-length:") {
        out.extend_from_slice(format!("\r\nContent-Length: {}", body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&body);
    if chunked {
        // the last chunk ends with an empty line, which an editor leaves out
        out.extend_from_slice(if body.ends_with(b"\r\n") { b"\r\n" } else { b"\r\n\r\n" });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_requests() {
        let case = |text: &str| String::from_utf8(request(text.as_bytes())).unwrap();
        assert_eq!(case("GET / HTTP/1.1\nHost: a\n"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(case("GET / HTTP/1.1\nHost: a\n\n"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(
            case("POST / HTTP/1.1\nHost: a\n\nx=1\ny\n"),
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nx=1\r\ny"
        );
        assert_eq!(
            case("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n3\nabc\n0\n"),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        );
        assert_eq!(case("GET / HTTP/1.1\r\n\r\n"), "GET / HTTP/1.1\r\n\r\n");
    }
}
