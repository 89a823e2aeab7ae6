//! Ordinary requests: what people write in many languages, what programs ask of interfaces, and days of editing in `WordPress`.
//!
//! Made from a fixed seed, so that each run sees the same.

mod wordpress;
mod words;

use sakimori_testkit::peer::Play;

use words::{LANGUAGES, NAMES, PRODUCTS, SEARCHES};

/// How many requests there are.
pub(crate) const REQUESTS: usize = 10_000;

/// A generator of numbers (xorshift): the same ones each time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % sides.max(1)
    }

    pub(crate) fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list.get(self.roll(list.len())).copied().unwrap_or_default()
    }

    /// Some sentences of one language.
    pub(crate) fn prose(&mut self, sentences: usize) -> String {
        let language = LANGUAGES.get(self.roll(LANGUAGES.len())).copied().unwrap_or_default();
        let chosen: Vec<&str> = (0..sentences).map(|_| self.pick(language)).collect();
        chosen.join(" ")
    }

    pub(crate) fn name(&mut self) -> &'static str {
        self.pick(NAMES)
    }
}

/// A request that is being made.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn form(target: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        Self::post(target, "application/x-www-form-urlencoded; charset=UTF-8", pairs.join("&").into_bytes())
    }

    pub(crate) fn json(target: impl Into<String>, value: &serde_json::Value) -> Self {
        Self::post(target, "application/json", value.to_string().into_bytes())
    }

    pub(crate) fn post(target: impl Into<String>, kind: &str, body: Vec<u8>) -> Self {
        Self { method: "POST", target: target.into(), headers: vec![("Content-Type", kind.to_owned())], body }
    }

    /// A form with a file.
    pub(crate) fn upload(target: &str, fields: &[(&str, &str)], file: (&str, &str, &[u8])) -> Self {
        const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
        let mut body = Vec::new();
        for (name, value) in fields {
            let part =
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let (name, kind, bytes) = file;
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"async-upload\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        Self::post(target, &format!("multipart/form-data; boundary={BOUNDARY}"), body)
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn play(self, agent: &str) -> Play {
        let mut headers: Vec<(Vec<u8>, Vec<u8>)> = vec![
            (b"Host".to_vec(), b"www.example.org".to_vec()),
            (b"User-Agent".to_vec(), agent.into()),
            (b"Accept".to_vec(), b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8".to_vec()),
            (b"Accept-Language".to_vec(), b"ja,en-US;q=0.7,en;q=0.3".to_vec()),
            (b"Accept-Encoding".to_vec(), b"gzip, deflate, br".to_vec()),
        ];
        headers.extend(self.headers.into_iter().map(|(name, value)| (name.into(), value.into_bytes())));
        if !self.body.is_empty() {
            headers.push((b"Content-Length".to_vec(), self.body.len().to_string().into_bytes()));
        }
        Play {
            method: self.method.into(),
            target: self.target.into_bytes(),
            protocol: b"HTTP/1.1".to_vec(),
            headers,
            body: self.body,
            status: 200,
            response_headers: vec![(b"Content-Type".to_vec(), b"text/html; charset=UTF-8".to_vec())],
            response_body: b"<!DOCTYPE html><html lang=\"en\"><body><p>Thank you.</p></body></html>".to_vec(),
        }
    }
}

/// As a browser writes a value into a form or a query.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                char::from(byte).to_string()
            }
            b' ' => "+".to_owned(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

const AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
];

/// All requests, in their order, with a word on what each is.
pub(crate) fn requests() -> Vec<(&'static str, Play)> {
    let mut dice = Dice(0x5eed_0000_2026_1130);
    (0..REQUESTS)
        .map(|number| {
            let (kind, request) = match number % 10 {
                0 => ("search", search(&mut dice)),
                1 => ("contact", contact(&mut dice)),
                2 => ("order", order(&mut dice)),
                3 => ("api", api(&mut dice)),
                4 => ("upload", upload(&mut dice)),
                _ => wordpress::request(&mut dice),
            };
            (kind, request.play(dice.pick(AGENTS)))
        })
        .collect()
}

fn search(dice: &mut Dice) -> Request {
    let words = match dice.roll(3) {
        0 => dice.pick(SEARCHES).to_owned(),
        1 => dice.prose(1),
        _ => format!("{} {}", dice.name(), dice.pick(PRODUCTS)),
    };
    let page = dice.roll(20);
    let sort = dice.pick(&["price", "name", "newest", "relevance"]);
    Request::get(format!("/search?q={}&page={page}&sort={sort}&utm_source=newsletter", escaped(&words)))
        .header("Referer", "https://www.example.org/")
        .header(
            "Cookie",
            "session=c0ffee1234567890abcdef; consent=analytics%3Dtrue%26ads%3Dfalse; lang=ja-JP",
        )
}

fn contact(dice: &mut Dice) -> Request {
    let (name, sentences) = (dice.name(), dice.roll(6) + 1);
    let message = dice.prose(sentences);
    let message = message.replace(". ", ".\r\n");
    Request::form(
        "/contact",
        &[
            ("name", name),
            ("mail", "hanako.o-brien+shop@example.org"),
            ("subject", &dice.prose(1)),
            ("message", &message),
            ("consent", "on"),
        ],
    )
}

fn order(dice: &mut Dice) -> Request {
    let (name, product, street) = (dice.name(), dice.pick(PRODUCTS), dice.pick(words::STREETS));
    let count = (dice.roll(9) + 1).to_string();
    Request::form(
        "/cart/checkout",
        &[
            ("name", name),
            ("street", street),
            ("city", dice.pick(&["京都市", "Orléans", "St. John's", "Köln", "L'Aquila", "'s-Hertogenbosch"])),
            ("zip", "600-8001"),
            ("phone", "+81 75-123-4567"),
            ("item[0][name]", product),
            ("item[0][count]", &count),
            ("note", &dice.prose(1)),
            ("total", "¥12,800 (tax incl.)"),
        ],
    )
    .header("Origin", "https://www.example.org")
}

fn api(dice: &mut Dice) -> Request {
    let (name, product, note) = (dice.name(), dice.pick(PRODUCTS), dice.prose(2));
    let value = serde_json::json!({
        "id": dice.roll(100_000),
        "customer": { "name": name, "mail": "a.b@example.com", "since": "2026-11-30T09:15:00Z", "vip": false },
        "items": [{ "sku": format!("A-{:05}", dice.roll(99_999)), "name": product, "price": 4.5, "tags": ["tea", "gift"] }],
        "note": note,
        "position": { "lat": 35.011_6, "lon": -135.768_1 },
        "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsIm5hbWUiOiJIYW5ha28ifQ.3q2-7w",
    });
    let request =
        Request::json(format!("/api/v2/orders/{}?fields=id,name,items.sku", dice.roll(9000)), &value);
    request
        .header("X-Requested-With", "XMLHttpRequest")
        .header("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl")
}

fn upload(dice: &mut Dice) -> Request {
    let title = dice.prose(1);
    let text = dice.prose(20);
    let picture = picture(dice);
    let file: (&str, &str, &[u8]) = if dice.roll(2) == 0 {
        ("Bericht (Entwurf) 2026.txt", "text/plain", text.as_bytes())
    } else {
        ("IMG_20261130_101500.jpg", "image/jpeg", &picture)
    };
    Request::upload(
        "/documents",
        &[("title", &title), ("folder", "2026/November"), ("public", "false")],
        file,
    )
}

/// Bytes as a picture has them.
pub(crate) fn picture(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00".to_vec();
    bytes.extend((0..2000).map(|_| u8::try_from(dice.roll(256)).unwrap_or(0)));
    bytes.extend_from_slice(b"\xff\xd9");
    bytes
}
