//! What the cloud's metadata service says, fetched but not understood.
//!
//! Plain HTTP to the link-local address, without any proxy, with short bounds: where no service answers, two seconds
//! are lost and nothing else.
use super::Document;
use super::material::Kind;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Where every cloud has it.
const SERVICE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);
/// For each of connecting, writing and every read.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bound of an answer with its head.
const ANSWER_BYTES: usize = 128 << 10;

/// Whose metadata service to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Nobody's.
    None,
    /// Azure's.
    Azure,
    /// Amazon's, version 2.
    Aws,
}

/// Who made this computer, by its firmware.
///
/// # Source
/// Azure and Hyper-V have the same vendor; Azure's virtual machines alone have this asset tag.
pub fn by_firmware(vendor: &str, asset_tag: &str) -> Provider {
    match (vendor, asset_tag) {
        ("Microsoft Corporation", "7783-7084-3265-9085-8269-3286-77") => Provider::Azure,
        ("Amazon EC2", _) => Provider::Aws,
        _ => Provider::None,
    }
}

/// The instance's document; nothing where none is to be had.
pub(super) fn document(provider: Provider) -> Option<Document> {
    let fetched = match provider {
        Provider::None => return None,
        Provider::Azure => request("GET", "/metadata/instance?api-version=2021-02-01", "Metadata: true\r\n")
            .map(|document| (Kind::AzureMetadata, document)),
        Provider::Aws => aws().map(|document| (Kind::AwsIdentity, document)),
    };
    fetched.inspect_err(|error| tracing::warn!("the cloud's metadata service: {error}")).ok()
}

fn aws() -> io::Result<Vec<u8>> {
    let ttl = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n";
    let token = request("PUT", "/latest/api/token", ttl)?;
    let token = String::from_utf8(token).map_err(io::Error::other)?;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(io::Error::other("no token"));
    }
    request(
        "GET",
        "/latest/dynamic/instance-identity/document",
        &format!("X-aws-ec2-metadata-token: {token}\r\n"),
    )
}

/// One request over HTTP/1.0, so that the answer is neither chunked nor kept open; its body if it is a 200.
fn request(method: &str, target: &str, headers: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&SERVICE, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request =
        format!("{method} {target} HTTP/1.0\r\nHost: 169.254.169.254\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if answer.len() > ANSWER_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    body(&answer).map(<[u8]>::to_vec).ok_or_else(|| io::Error::other("no answer that could be used"))
}

fn body(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = answer.split(|byte| *byte == b' ').nth(1)?;
    (answer.starts_with(b"HTTP/1.") && status.starts_with(b"200")).then(|| answer.get(end + 4..))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_asked_only_where_the_firmware_says_so() {
        assert_eq!(by_firmware("Microsoft Corporation", "7783-7084-3265-9085-8269-3286-77"), Provider::Azure);
        assert_eq!(by_firmware("Microsoft Corporation", ""), Provider::None, "Hyper-V on premises");
        assert_eq!(by_firmware("Amazon EC2", ""), Provider::Aws);
        assert_eq!(by_firmware("QEMU", ""), Provider::None);
    }

    #[test]
    fn only_the_body_of_a_good_answer_counts() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}"), Some(&b"{}"[..]));
        assert_eq!(body(b"HTTP/1.1 404 Not Found\r\n\r\n{}"), None);
        assert_eq!(body(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(body(b""), None);
    }
}
