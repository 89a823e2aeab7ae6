//! The state of one connection: both directions, message after message.
use super::coding::Decoder;
use super::framing::{self, Framing};
use super::head::Collected;
use super::lenient::{self, Size};
use super::{Anomaly, Message};
use std::collections::VecDeque;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Requests.
    ToServer,
    /// Responses.
    ToClient,
}

/// How far a message has come when a [`Sink`] is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The head is complete and a body follows; a message without a body is told once, at its end.
    Headers,
    /// More of the body is there; told at most once for each piece of input.
    Body,
    /// The message is complete, or nothing more of it can come.
    End,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// The connection is blocked: parse nothing more.
    Stop,
}

/// A message and what the caller keeps about it.
#[derive(Debug, Default)]
pub struct Transaction<S> {
    /// The request or response.
    pub message: Message,
    /// The caller's own state, `S::default()` at the start of each message.
    pub state: S,
}

/// Is told of each step.
pub trait Sink<S> {
    /// A message has reached a stage.
    fn progress(&mut self, direction: Direction, transaction: &mut Transaction<S>, stage: Stage) -> Control;
}

/// What is kept of a message, at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a head. 64 KiB: nginx, Apache, Node.js, Tomcat and IIS refuse larger ones by default.
    pub head_bytes: usize,
    /// Header fields. 1,000: far above what those servers accept (Apache 100, Tomcat 100).
    pub headers: usize,
    /// Bytes of a body. 128 KiB: a little more than Suricata's default of 100 KiB.
    pub body_bytes: usize,
    /// Requests waiting for their response, where responses are followed.
    pub pipelined: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 64 << 10, headers: 1000, body_bytes: 128 << 10, pipelined: 64 }
    }
}

/// One HTTP/1 connection.
///
/// # Bounds
/// At most [`Limits`] for each direction, and a few hundred bytes between two messages.
#[derive(Debug, Default)]
pub struct Connection<S> {
    request: Half<S>,
    response: Half<S>,
    methods: VecDeque<Method>,
    garbage_lines: u64,
}

/// Whether a request's response has no body whatever its headers say.
#[derive(Clone, Copy, Debug)]
enum Method {
    Head,
    Other,
}

#[derive(Debug, Default)]
struct Half<S> {
    transaction: Transaction<S>,
    state: State,
    after_garbage: bool,
    after_gap: bool,
}

#[derive(Debug, Default)]
enum State {
    /// Before a message.
    #[default]
    Start,
    /// In a line that is no start of a message.
    SkipLine,
    Head,
    Fixed(u64),
    ChunkSize(Vec<u8>),
    ChunkData(u64),
    ChunkEnd,
    /// Behind the last chunk; the number counts the bytes of the current line without CR.
    Trailers(u64),
    UntilClose,
}

/// A chunk's size line longer than this is no size line; extensions are rare and short.
const CHUNK_LINE_BYTES: usize = 512;

// === impl Connection ===

impl<S: Default> Connection<S> {
    /// Takes the next in-order bytes of one direction.
    pub fn feed(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        limits: &Limits,
        sink: &mut impl Sink<S>,
    ) -> Control {
        let mut step = Step {
            methods: &mut self.methods,
            garbage_lines: &mut self.garbage_lines,
            direction,
            limits,
            sink,
        };
        match direction {
            Direction::ToServer => self.request.feed(bytes, &mut step),
            Direction::ToClient => self.response.feed(bytes, &mut step),
        }
    }

    /// Bytes of one direction are missing; parsing goes on behind them as well as it can.
    pub fn gap(&mut self, direction: Direction, bytes: u64) {
        match direction {
            Direction::ToServer => self.request.gap(bytes),
            Direction::ToClient => self.response.gap(bytes),
        }
    }

    /// The connection is over: an answer that lasts until then is whole, another one, and a request, is as far as it came.
    pub fn close(&mut self, limits: &Limits, sink: &mut impl Sink<S>) -> Control {
        let mut asked = Step {
            methods: &mut self.methods,
            garbage_lines: &mut self.garbage_lines,
            direction: Direction::ToServer,
            limits,
            sink,
        };
        if self.request.close(&mut asked) == Control::Stop {
            return Control::Stop;
        }
        let mut step = Step {
            methods: &mut self.methods,
            garbage_lines: &mut self.garbage_lines,
            direction: Direction::ToClient,
            limits,
            sink,
        };
        self.response.close(&mut step)
    }

    /// Lines that were no start of a message, so far.
    pub const fn garbage_lines(&self) -> u64 {
        self.garbage_lines
    }

    /// Whether the client's side is between two messages.
    pub const fn is_idle(&self) -> bool {
        matches!(self.request.state, State::Start)
    }

    /// The message in progress of one direction.
    pub const fn current(&self, direction: Direction) -> &Transaction<S> {
        match direction {
            Direction::ToServer => &self.request.transaction,
            Direction::ToClient => &self.response.transaction,
        }
    }

    /// Memory it holds beyond its own size, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.request.transaction.message.memory_bytes() + self.response.transaction.message.memory_bytes()
    }
}

/// What a [`Half`] needs from outside while it is fed.
struct Step<'a, K> {
    methods: &'a mut VecDeque<Method>,
    garbage_lines: &'a mut u64,
    direction: Direction,
    limits: &'a Limits,
    sink: &'a mut K,
}

// === impl Half ===

impl<S: Default> Half<S> {
    fn feed<K: Sink<S>>(&mut self, mut input: &[u8], step: &mut Step<'_, K>) -> Control {
        let mut body_grew = false;
        while !input.is_empty() {
            let taken = match &mut self.state {
                State::Start => {
                    let blank = input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                    if blank < input.len() {
                        self.state = State::Head;
                    }
                    blank
                }
                State::SkipLine => match memchr::memchr(b'\n', input) {
                    Some(at) => {
                        self.state = State::Start;
                        at + 1
                    }
                    None => input.len(),
                },
                State::Head => match self.head(input, step) {
                    (taken, Control::Continue) => taken,
                    (_, Control::Stop) => return Control::Stop,
                },
                State::Fixed(left) => {
                    let piece = first(input, *left);
                    *left -= piece.len() as u64;
                    let done = *left == 0;
                    body_grew |= self.body(piece, step);
                    if done {
                        body_grew = false;
                        if self.finish(step) == Control::Stop {
                            return Control::Stop;
                        }
                    }
                    piece.len()
                }
                State::ChunkSize(line) => {
                    let (piece, ended) = match memchr::memchr(b'\n', input) {
                        Some(at) => (input.get(..=at).unwrap_or(input), true),
                        None => (input, false),
                    };
                    line.extend_from_slice(piece.get(..CHUNK_LINE_BYTES).unwrap_or(piece));
                    if ended && line.contains(&b';') {
                        self.transaction.message.anomalies.insert(Anomaly::ChunkExtension);
                    }
                    let size = if line.len() > CHUNK_LINE_BYTES {
                        Size::None
                    } else if step.direction == Direction::ToClient {
                        lenient::chunk_size(line, ended)
                    } else if ended {
                        framing::chunk_size(line).map_or(Size::None, Size::Of)
                    } else {
                        Size::Short
                    };
                    match size {
                        Size::Short => {}
                        Size::Blank => line.clear(),
                        Size::Of(0) => self.state = State::Trailers(0),
                        Size::Of(size) => self.state = State::ChunkData(size),
                        Size::None => {
                            // Servers end the connection here; what still comes is kept as body so that rules see it.
                            let kept = std::mem::take(line);
                            self.transaction.message.anomalies.insert(Anomaly::ChunkInvalid);
                            self.state = State::UntilClose;
                            body_grew |= self.body(&kept, step);
                        }
                    }
                    piece.len()
                }
                State::ChunkData(left) => {
                    let piece = first(input, *left);
                    *left -= piece.len() as u64;
                    if *left == 0 {
                        self.state = State::ChunkEnd;
                    }
                    body_grew |= self.body(piece, step);
                    piece.len()
                }
                State::ChunkEnd => match input.first() {
                    Some(b'\r') => 1,
                    Some(b'\n') => {
                        self.state = State::ChunkSize(Vec::new());
                        1
                    }
                    _ => {
                        // No line end behind the chunk: tolerant servers read the next size from here.
                        self.transaction.message.anomalies.insert(Anomaly::ChunkInvalid);
                        self.state = State::ChunkSize(Vec::new());
                        0
                    }
                },
                State::Trailers(content) => {
                    let (piece, ended) = match memchr::memchr(b'\n', input) {
                        Some(at) => (input.get(..=at).unwrap_or(input), true),
                        None => (input, false),
                    };
                    *content += piece.iter().filter(|b| !matches!(b, b'\r' | b'\n')).count() as u64;
                    let empty = ended && *content == 0;
                    if ended {
                        *content = 0;
                    }
                    let taken = piece.len();
                    if empty {
                        body_grew = false;
                        if self.finish(step) == Control::Stop {
                            return Control::Stop;
                        }
                    }
                    taken
                }
                State::UntilClose => {
                    body_grew |= self.body(input, step);
                    input.len()
                }
            };
            input = input.get(taken..).unwrap_or_default();
        }
        if body_grew {
            return step.sink.progress(step.direction, &mut self.transaction, Stage::Body);
        }
        Control::Continue
    }

    /// Takes bytes of a head; says how many.
    fn head<K: Sink<S>>(&mut self, input: &[u8], step: &mut Step<'_, K>) -> (usize, Control) {
        let to_client = step.direction == Direction::ToClient;
        let message = &mut self.transaction.message;
        match message.head.collect(input, step.limits.head_bytes, to_client) {
            Collected::More => {
                if to_client && !step.methods.is_empty() && message.has_no_head() {
                    return (input.len(), self.bare(step));
                }
                if message.head.first_line == 0 && message.head.overflow {
                    self.garbage(step);
                    self.state = State::SkipLine;
                }
                (input.len(), Control::Continue)
            }
            Collected::FirstLine(taken) => {
                let plausible = match step.direction {
                    Direction::ToServer => message.parse_request_line(),
                    Direction::ToClient => message.parse_status_line(),
                };
                if !plausible {
                    self.garbage(step);
                    self.state = State::Start;
                } else if message.anomalies.contains(Anomaly::Http09) {
                    if begins_with_field(input.get(taken..).unwrap_or_default()) {
                        // header fields follow: only the version was left out
                        message.anomalies.remove(Anomaly::Http09);
                        message.anomalies.insert(Anomaly::VersionMissing);
                    } else {
                        return (taken, self.head_complete(step));
                    }
                }
                (taken, Control::Continue)
            }
            Collected::Complete(taken) => {
                message.parse_headers(step.limits.headers);
                (taken, self.head_complete(step))
            }
        }
    }

    /// An answer without a head, which is what HTTP/0.9 was and what browsers still show: all of it is body.
    fn bare<K: Sink<S>>(&mut self, step: &mut Step<'_, K>) -> Control {
        let body = std::mem::take(&mut self.transaction.message.head.bytes);
        self.transaction.message.clear();
        self.transaction.message.anomalies.insert(Anomaly::Http09);
        step.methods.clear();
        self.state = State::UntilClose;
        self.body(&body, step);
        step.sink.progress(step.direction, &mut self.transaction, Stage::Body)
    }

    fn head_complete<K: Sink<S>>(&mut self, step: &mut Step<'_, K>) -> Control {
        let message = &mut self.transaction.message;
        if std::mem::take(&mut self.after_garbage) {
            message.anomalies.insert(Anomaly::Garbage);
        }
        if std::mem::take(&mut self.after_gap) {
            message.anomalies.insert(Anomaly::Gap);
        }
        let framing = match step.direction {
            Direction::ToServer => {
                let method = message.start_line_parts()[0];
                let kind = if method.eq_ignore_ascii_case(b"head") { Method::Head } else { Method::Other };
                if step.methods.len() < step.limits.pipelined {
                    step.methods.push_back(kind);
                }
                framing::of_request(message)
            }
            Direction::ToClient => {
                let interim = message.start_line_parts()[1].first() == Some(&b'1');
                let method = if interim { None } else { step.methods.pop_front() };
                let method: &[u8] = if matches!(method, Some(Method::Head)) { b"HEAD" } else { b"" };
                let fields = lenient::fields(message.head());
                let framing = framing::of_response(message, &fields, method);
                // Of requests few servers undo codings: those that do not would read what hides behind one that is none.
                if framing != Framing::None {
                    let decoder = Decoder::of(message, &fields);
                    message.body.set_decoder(decoder);
                }
                framing
            }
        };
        self.state = match framing {
            Framing::None => State::Start,
            Framing::Length(n) => State::Fixed(n),
            Framing::Chunked => State::ChunkSize(Vec::new()),
            Framing::UntilClose => State::UntilClose,
        };
        if framing == Framing::None {
            return self.finish(step);
        }
        step.sink.progress(step.direction, &mut self.transaction, Stage::Headers)
    }

    /// Takes bytes of a body; says whether rules may see something new.
    fn body<K>(&mut self, bytes: &[u8], step: &Step<'_, K>) -> bool {
        let message = &mut self.transaction.message;
        let before = message.body.kept().len();
        if !message.body.push(bytes, step.limits.body_bytes) {
            message.anomalies.insert(Anomaly::BodyTruncated);
        }
        message.body.kept().len() > before
    }

    fn finish<K: Sink<S>>(&mut self, step: &mut Step<'_, K>) -> Control {
        self.transaction.message.complete = true;
        let control = step.sink.progress(step.direction, &mut self.transaction, Stage::End);
        self.next_message();
        control
    }

    fn close<K: Sink<S>>(&mut self, step: &mut Step<'_, K>) -> Control {
        match self.state {
            State::Start | State::SkipLine => Control::Continue,
            State::Head if self.transaction.message.head.first_line == 0 => Control::Continue,
            State::UntilClose => self.finish(step),
            State::Head => {
                self.transaction.message.parse_headers(step.limits.headers);
                let control = step.sink.progress(step.direction, &mut self.transaction, Stage::End);
                self.next_message();
                control
            }
            State::Fixed(_)
            | State::ChunkSize(_)
            | State::ChunkData(_)
            | State::ChunkEnd
            | State::Trailers(_) => {
                let control = step.sink.progress(step.direction, &mut self.transaction, Stage::End);
                self.next_message();
                control
            }
        }
    }

    fn garbage<K>(&mut self, step: &mut Step<'_, K>) {
        *step.garbage_lines += 1;
        self.next_message();
        self.after_garbage = true;
    }

    fn gap(&mut self, bytes: u64) {
        match &mut self.state {
            State::Fixed(left) | State::ChunkData(left) if bytes < *left => {
                *left -= bytes;
                self.transaction.message.anomalies.insert(Anomaly::Gap);
                self.transaction.message.body.skip(bytes);
            }
            State::UntilClose => self.transaction.message.body.skip(bytes),
            _ => {
                self.next_message();
                self.state = State::SkipLine;
                self.after_gap = true;
            }
        }
    }

    fn next_message(&mut self) {
        self.transaction.message.clear();
        self.transaction.state = S::default();
        self.state = State::Start;
    }
}

/// Whether a header field stands at the front.
fn begins_with_field(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.len() < line.len()
        && !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// At most `count` bytes from the front.
fn first(input: &[u8], count: u64) -> &[u8] {
    usize::try_from(count).ok().and_then(|n| input.get(..n)).unwrap_or(input)
}
