//! Hands items to a receiver. When it says that they are delivered, the receiver has said so, as far as its protocol
//! can: an answer of SMTP or HTTP; over TCP and TLS the end of the connection after everything was read. A datagram
//! has no answer.
use super::format;
use super::item::Item;
use crate::outgoing::{self, causes, resolve, tls};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use rustls::pki_types::ServerName;
use sakimori_api::{
    ChannelSecrets, ChannelTarget, EmailTarget, HttpTarget, MailLanguage, MailSecurity, SyslogFormat,
    SyslogTarget, SyslogTransport,
};
use sakimori_model::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// A receiver has this long for a batch.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Of that, this is for the connection itself.
const MARGIN: Duration = Duration::from_secs(5);
/// A reset follows the end of a connection within this time.
const RESET: Duration = Duration::from_millis(50);
/// Longest datagram: what receivers take by default.
const DATAGRAM_BYTES: usize = 8192;

/// What goes out in one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch<'a> {
    pub(super) items: &'a [Item],
    /// The manager's name.
    pub(super) host: &'a str,
    pub(super) now: Timestamp,
}

/// Sends a batch: an error says why it was not delivered, in words for the person who runs the receiver.
pub(super) async fn send(
    target: &ChannelTarget,
    secrets: &ChannelSecrets,
    batch: Batch<'_>,
) -> Result<(), String> {
    let sending = async {
        match target {
            ChannelTarget::Email(target) => email(target, secrets, batch).await,
            ChannelTarget::Webhook(target) => webhook(target, secrets, batch).await,
            ChannelTarget::Syslog(target) => syslog(target, batch).await,
            ChannelTarget::Otlp(target) => {
                let body = format::otlp(batch.items, batch.host).to_string();
                let answer = post(target, secrets, HeaderMap::new(), body).await?;
                note_rejected(&answer);
                Ok(())
            }
        }
    };
    match tokio::time::timeout(PATIENCE, sending).await {
        Ok(result) => result,
        Err(_late) => Err("The receiver did not answer within 20 seconds.".to_owned()),
    }
}

// === e-mail ===

async fn email(target: &EmailTarget, secrets: &ChannelSecrets, batch: Batch<'_>) -> Result<(), String> {
    let address = *resolve(&target.server, target.port).await?.first().ok_or("No address.")?;
    let parameters = || -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(target.server.clone());
        if let Some(pem) = &target.authorities {
            let certificate = Certificate::from_pem(pem.as_bytes()).map_err(|e| causes(&e))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        builder.build_rustls().map_err(|e| causes(&e))
    };
    let security = match target.security {
        MailSecurity::Tls => Tls::Wrapper(parameters()?),
        MailSecurity::Starttls => Tls::Required(parameters()?),
        MailSecurity::Plain if address.ip().is_loopback() => Tls::None,
        MailSecurity::Plain => return Err("Mail goes without TLS to this machine only.".to_owned()),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
        .port(target.port)
        .tls(security)
        .timeout(Some(PATIENCE));
    if let (Some(user), Some(password)) = (&target.user, &secrets.password) {
        transport = transport.credentials(Credentials::new(user.clone(), password.clone()));
    }
    let mailbox = |text: &str| -> Result<Mailbox, String> {
        text.parse().map_err(|e: lettre::address::AddressError| format!("{text}: {e}."))
    };
    let (subject, text) = format::mail(batch.items, target.language == MailLanguage::Ja);
    // The same batch has the same id: mail servers and readers can tell a second copy.
    let ids: Vec<&str> = batch.items.iter().map(Item::id).collect();
    let id = crate::secrets::digest(&ids.join("\n"));
    let mut message = Message::builder()
        .from(mailbox(&target.from)?)
        .subject(subject)
        .message_id(Some(format!("<{}@sakimori>", id.chars().take(32).collect::<String>())))
        .date(std::time::SystemTime::UNIX_EPOCH + since_1970(batch.now));
    for to in &target.to {
        message = message.to(mailbox(to)?);
    }
    let message = message.header(ContentType::TEXT_PLAIN).body(text).map_err(|e| causes(&e))?;
    transport.build::<Tokio1Executor>().send(message).await.map_err(|e| causes(&e))?;
    Ok(())
}

fn since_1970(at: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(at.0).unwrap_or_default())
}

// === HTTP ===

async fn webhook(target: &HttpTarget, secrets: &ChannelSecrets, batch: Batch<'_>) -> Result<(), String> {
    let ids: Vec<&str> = batch.items.iter().map(Item::id).collect();
    let id = crate::secrets::digest(&ids.join("\n"));
    let body = serde_json::json!({"id": id, "items": batch.items}).to_string();
    let mut headers = HeaderMap::new();
    let sent = batch.now.0.div_euclid(1_000_000).to_string();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("sakimori-delivery", &id);
    set("sakimori-timestamp", &sent);
    if let Some(key) = &secrets.signing_key {
        set("sakimori-signature", &signature(key, &sent, &body));
    }
    post(target, secrets, headers, body).await.map(|_answer| ())
}

/// HMAC-SHA256 over `timestamp.body`, so that neither can be changed, nor an old request be sent again for long.
pub(super) fn signature(key: &str, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    format!("v1={}", crate::secrets::hex(tag.as_ref()))
}

async fn post(
    target: &HttpTarget,
    secrets: &ChannelSecrets,
    mut headers: HeaderMap,
    body: String,
) -> Result<String, String> {
    let url = reqwest::Url::parse(&target.url).map_err(|e| format!("The URL is not one: {e}."))?;
    for (name, value) in &secrets.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            headers.insert(name, value);
        }
    }
    headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let client = outgoing::client(&url, target.authorities.as_deref(), PATIENCE).await?;
    let mut answer =
        client.post(url).headers(headers).body(body).send().await.map_err(|e| causes(&e.without_url()))?;
    let status = answer.status();
    let mut text = Vec::new();
    while text.len() < 4096
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    if status.is_redirection() {
        return Err(format!("The receiver answered {status}; redirects are not followed."));
    }
    Err(format!("The receiver answered {status}: {}", format::line(&text, 200)))
}

/// A collector may take a request and yet reject records: sent again they would be rejected again.
fn note_rejected(text: &str) {
    let answer: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let rejected = answer.pointer("/partialSuccess/rejectedLogRecords");
    if let Some(rejected) = rejected.filter(|n| !matches!(n.to_string().trim_matches('"'), "0" | "null")) {
        tracing::warn!(%rejected, "the collector has rejected log records");
    }
}

// === syslog ===

async fn syslog(target: &SyslogTarget, batch: Batch<'_>) -> Result<(), String> {
    let addresses = resolve(&target.server, target.port).await?;
    let messages = batch.items.iter().map(|item| {
        let message = match target.format {
            SyslogFormat::Cef => format::cef(item),
            SyslogFormat::Leef => format::leef(item),
        };
        format::syslog(item, batch.host, &message)
    });
    if target.transport == SyslogTransport::Udp {
        return datagrams(&addresses, messages).await;
    }
    // Octet counting (RFC 6587, 3.4.1): no byte of a message can end it.
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend_from_slice(format!("{} {message}", message.len()).as_bytes());
    }
    let stream = TcpStream::connect(&*addresses).await.map_err(|e| causes(&e))?;
    if target.transport == SyslogTransport::Tcp {
        let mut stream = stream;
        through(&mut stream, &bytes).await?;
        return unbroken(&stream).await;
    }
    let config = tls(target.authorities.as_deref())?;
    let name = ServerName::try_from(target.server.clone())
        .map_err(|_e| format!("{} is no name of a server.", target.server))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.map_err(|e| causes(&e))?;
    through(&mut stream, &bytes).await?;
    unbroken(stream.get_ref().0).await
}

/// A receiver that ends its side before it has read everything resets the connection right after.
async fn unbroken(stream: &TcpStream) -> Result<(), String> {
    tokio::time::sleep(RESET).await;
    match stream.take_error() {
        Ok(None) => Ok(()),
        Ok(Some(error)) | Err(error) => Err(causes(&error)),
    }
}

/// Writes everything, ends the writing side, and waits until the receiver, which has read all, ends its own. What is
/// merely written may be lost with the receiver; this way it is sent again instead. TCP has no other way to tell: bytes
/// are acknowledged by the receiver's machine before its program has read them.
async fn through(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), String> {
    stream.write_all(bytes).await.map_err(|e| causes(&e))?;
    stream.flush().await.map_err(|e| causes(&e))?;
    stream.shutdown().await.map_err(|e| causes(&e))?;
    let mut rest = [0; 512];
    let ended = async {
        loop {
            match stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_what_it_says) => {}
                // TLS without its goodbye, after ours: everything was read.
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(e) => return Err(causes(&e)),
            }
        }
    };
    // What its machine has acknowledged, a program that hangs or is killed has not read.
    tokio::time::timeout(PATIENCE.saturating_sub(MARGIN), ended).await.unwrap_or_else(|_silent| {
        Err(format!(
            "The receiver was sent everything and has not ended the connection within {} seconds, so it is not known \
             whether it has read it: it is sent again.",
            PATIENCE.saturating_sub(MARGIN).as_secs()
        ))
    })
}

async fn datagrams(addresses: &[SocketAddr], messages: impl Iterator<Item = String>) -> Result<(), String> {
    let to = addresses.first().ok_or("No address.")?;
    let from: SocketAddr =
        if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(from).await.map_err(|e| causes(&e))?;
    socket.connect(to).await.map_err(|e| causes(&e))?;
    for message in messages {
        let cut = message.floor_char_boundary(DATAGRAM_BYTES);
        let bytes = message.as_bytes().get(..cut).unwrap_or_default();
        // Also says that nobody listens, where the answer to an earlier one said so.
        socket.send(bytes).await.map_err(|e| causes(&e))?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_any_other_implementation() {
        // printf '1795000000.{}' | openssl dgst -sha256 -hmac 'a key of some length'
        assert_eq!(signature("a key of some length", "1795000000", "{}").len(), 67);
        assert_ne!(signature("k", "1", "2.3"), signature("k", "1.2", "3x"));
    }
}
