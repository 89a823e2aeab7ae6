//! The REST API, as the commands call it.
use crate::problem::Failure;
use crate::profile::Profile;
use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, header};
use sakimori_api::{Page, Problem};
use sakimori_trust::Trust;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// A manager and who we are to it.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    profile: Profile,
}

/// Bound of an answer, in bytes: a part of 500 events is about 2 MiB.
const ANSWER_BYTES: usize = 32 << 20;
/// Bound of one line of the stream of events, in bytes.
const STREAM_LINE_BYTES: usize = 1 << 20;
/// How long a request may take; the stream has no end.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Before a request whose answer was lost is sent again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a package may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_hours(1);
/// Members of a list's part.
const PART: usize = 200;

// === impl Client ===

impl Client {
    /// For this profile. Nothing is sent yet.
    pub(crate) fn new(profile: Profile) -> Result<Self, Failure> {
        let trust = match &profile.ca_pin {
            Some(pin) => Trust::Pin(pin.clone()),
            None => system_trust()?,
        };
        let tls = sakimori_trust::client_config(&trust, None)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(15))
            .user_agent(concat!("sakimori/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, profile })
    }

    /// GET of one thing.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        let response = self.send(self.request(Method::GET, path).query(query)).await?;
        self.json(response).await
    }

    /// The tag of a thing as it is now, for a change that must not go over somebody else's.
    pub(crate) async fn etag(&self, path: &str) -> Result<String, Failure> {
        let response = self.send(self.request(Method::GET, path)).await?;
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
        tag.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("the manager's answer has no tag (ETag)").into())
    }

    /// GET of a whole list, or of its first `most` members.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        most: usize,
    ) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut part = query.to_vec();
            part.push(("limit", (most - items.len()).min(PART).to_string()));
            part.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page: Page<T> = self.get(path, &part).await?;
            items.extend(page.items);
            match page.next_cursor {
                Some(next) if items.len() < most => cursor = Some(next),
                _ => break,
            }
        }
        items.truncate(most);
        Ok(items)
    }

    /// POST of a new thing.
    pub(crate) async fn post<Q: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Q,
    ) -> Result<T, Failure> {
        let response = self.send_once(self.request(Method::POST, path).json(body)).await?;
        self.json(response).await
    }

    /// POST to a thing that was read with this tag.
    pub(crate) async fn post_if<Q: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        etag: &str,
        body: &Q,
    ) -> Result<T, Failure> {
        let request = self.request(Method::POST, path).header(header::IF_MATCH, etag).json(body);
        let response = self.send_once(request).await?;
        self.json(response).await
    }

    /// POST of a file, as it is read, with the file that signs it.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        file: &Path,
        signature: &[u8],
    ) -> Result<T, Failure> {
        let opened = tokio::fs::File::open(file).await.with_context(|| file.display().to_string())?;
        let size = opened.metadata().await.with_context(|| file.display().to_string())?.len();
        let request = self
            .request(Method::POST, path)
            .timeout(UPLOAD_TIMEOUT)
            .header(header::CONTENT_TYPE, "application/vnd.debian.binary-package")
            .header(header::CONTENT_LENGTH, size)
            .header("x-package-signature", BASE64_STANDARD.encode(signature))
            .body(opened);
        let response = self.send(request).await?;
        self.json(response).await
    }

    /// POST of bytes.
    pub(crate) async fn send_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        bytes: Vec<u8>,
    ) -> Result<T, Failure> {
        let request = self
            .request(Method::POST, path)
            .query(query)
            .timeout(UPLOAD_TIMEOUT)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(bytes);
        let response = self.send(request).await?;
        self.json(response).await
    }

    /// Logs in: gives the session and the cookie that stands for it.
    pub(crate) async fn log_in(
        &self,
        credentials: &sakimori_api::Credentials,
    ) -> Result<(sakimori_api::Session, String), Failure> {
        let response = self.send(self.request(Method::POST, "/sessions").json(credentials)).await?;
        let cookie = response
            .headers()
            .get(header::SET_COOKIE)
            .and_then(|cookie| cookie.to_str().ok()?.split(';').next())
            .map(str::to_owned)
            .ok_or_else(|| anyhow::anyhow!("the manager's answer has no session cookie"))?;
        Ok((self.json(response).await?, cookie))
    }

    /// PATCH of a thing that was read with this tag.
    pub(crate) async fn patch<Q: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        etag: &str,
        body: &Q,
    ) -> Result<T, Failure> {
        let request = self.request(Method::PATCH, path).header(header::IF_MATCH, etag).json(body);
        let response = self.send(request).await?;
        self.json(response).await
    }

    /// DELETE of a thing.
    pub(crate) async fn delete(&self, path: &str, etag: Option<&str>) -> Result<(), Failure> {
        let mut request = self.request(Method::DELETE, path);
        if let Some(etag) = etag {
            request = request.header(header::IF_MATCH, etag);
        }
        self.send(request).await.map(|_nothing| ())
    }

    /// PUT of a thing that is wholly said by its path, given as its parts.
    pub(crate) async fn put(&self, path: &[&str]) -> Result<(), Failure> {
        self.send(self.request(Method::PUT, &escaped(path))).await.map(|_nothing| ())
    }

    /// DELETE of a thing whose path is given as its parts.
    pub(crate) async fn delete_at(&self, path: &[&str]) -> Result<(), Failure> {
        self.delete(&escaped(path), None).await
    }

    /// POST of something that makes nothing and has no answer.
    pub(crate) async fn tell<Q: Serialize>(&self, path: &str, body: &Q) -> Result<(), Failure> {
        self.send_once(self.request(Method::POST, path).json(body)).await.map(|_nothing| ())
    }

    /// The stream of what happens: calls `each` with the kind and the data of every message until it breaks off.
    pub(crate) async fn stream(
        &self,
        mut each: impl FnMut(&str, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let request = self.request(Method::GET, "/stream").header(header::ACCEPT, "text/event-stream");
        // The default time limit does not fit something that has no end.
        let mut response = self.send(request.timeout(Duration::from_hours(24 * 365))).await?;
        let mut messages = Messages::default();
        while let Some(chunk) = response.chunk().await.map_err(|source| self.unreachable(source))? {
            for (kind, data) in messages.feed(&chunk)? {
                each(&kind, &data)?;
            }
        }
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request =
            self.http.request(method, format!("{}/api/v1{path}", self.profile.url)).timeout(TIMEOUT);
        if let Some(key) = &self.profile.api_key {
            request = request.bearer_auth(key);
        } else if let Some(cookie) = &self.profile.cookie {
            request = request.header(header::COOKIE, cookie);
            if let Some(token) = &self.profile.csrf_token {
                request = request.header("X-CSRF-Token", token);
            }
        }
        request
    }

    /// Writes an answer of any length to a file.
    pub(crate) async fn fetch(
        &self,
        path: &str,
        query: &[(&str, String)],
        file: &Path,
    ) -> Result<(), Failure> {
        let request = self.request(Method::GET, path).query(query).timeout(Duration::from_hours(24));
        let mut response = self.send(request).await?;
        let mut file = std::fs::File::create(file)?;
        while let Some(chunk) = response.chunk().await.map_err(|source| self.unreachable(source))? {
            file.write_all(&chunk)?;
        }
        Ok(file.sync_all()?)
    }

    /// Sends what makes something: where the answer is lost on the way it is asked for again, and nothing is made twice.
    async fn send_once(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = request.header("Idempotency-Key", uuid::Uuid::now_v7().to_string());
        let again = request.try_clone();
        match (self.send(request).await, again) {
            (Err(Failure::Unreachable { source, .. }), Some(again)) if !source.is_connect() => {
                tokio::time::sleep(AGAIN).await;
                self.send(again).await
            }
            (answer, _) => answer,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = self.body(response).await?;
        let problem = serde_json::from_slice(&body).unwrap_or_else(|_not_a_problem| Problem {
            r#type: "about:blank".to_owned(),
            title: format!("The answer was {status}."),
            status: status.as_u16(),
            detail: "It is not a Sakimori manager's own: a proxy may stand between, or the address is another service's.".to_owned(),
            code: String::new(),
            errors: Vec::new(),
            request_id: String::new(),
        });
        Err(Failure::Refused(Box::new(problem)))
    }

    async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        let body = self.body(response).await?;
        serde_json::from_slice(&body).map_err(|error| {
            anyhow::anyhow!("the manager's answer cannot be read ({error}): is it of another version?").into()
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| self.unreachable(source))? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(anyhow::anyhow!("the manager's answer is over {ANSWER_BYTES} bytes").into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, source: reqwest::Error) -> Failure {
        Failure::Unreachable { url: self.profile.url.clone(), source }
    }
}

/// A path from its parts, whatever is in them.
fn escaped(parts: &[&str]) -> String {
    let each = |part| std::iter::once("/").chain(utf8_percent_encode(part, NON_ALPHANUMERIC));
    parts.iter().copied().flat_map(each).collect()
}

/// Takes server-sent events apart (WHATWG HTML, 9.2.6).
#[derive(Debug, Default)]
struct Messages {
    line: Vec<u8>,
    kind: String,
    data: String,
}

// === impl Messages ===

impl Messages {
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<(String, String)>, Failure> {
        let mut complete = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                if self.line.len() + self.data.len() >= STREAM_LINE_BYTES {
                    return Err(anyhow::anyhow!("the manager's stream has a message without end").into());
                }
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                if !self.data.is_empty() {
                    complete.push((std::mem::take(&mut self.kind), std::mem::take(&mut self.data)));
                }
                self.kind.clear();
            } else if let Some(kind) = line.strip_prefix("event:") {
                kind.trim_start().clone_into(&mut self.kind);
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        Ok(complete)
    }
}

fn system_trust() -> Result<Trust, Failure> {
    let path = sakimori_trust::system_authorities().ok_or_else(|| {
        Failure::Usage("no way to know the manager: give --ca-pin or set SAKIMORI_CA_PIN (the manager prints 'Public key pin' at its first start)".to_owned())
    })?;
    Ok(Trust::Authorities(std::fs::read_to_string(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_taken_apart_wherever_it_is_cut() {
        let stream =
            b": keep-alive\n\nevent: event\ndata: {\"a\":\ndata: 1}\n\nevent: computer\r\ndata:{}\r\n\r\n";
        let whole =
            [("event".to_owned(), "{\"a\":\n1}".to_owned()), ("computer".to_owned(), "{}".to_owned())];
        for cut in 0..stream.len() {
            let mut messages = Messages::default();
            let (head, tail) = stream.split_at(cut);
            let mut found = messages.feed(head).unwrap();
            found.extend(messages.feed(tail).unwrap());
            assert_eq!(found, whole, "cut at {cut}");
        }
    }
}
