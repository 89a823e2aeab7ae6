//! Made-up web traffic as a capture: the same bytes each time.

use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr};

use sakimori_packet::Flags;
use sakimori_packet::build::Segment;

/// The capture's length.
pub(crate) const BYTES: f64 = 256e6;
/// Connections at a time.
const AT_ONCE: usize = 64;
/// Requests of one.
const REQUESTS: u32 = 12;
/// Payload of a segment.
const MSS: usize = 1448;
const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];

/// Words that pages are made of.
const WORDS: &str = "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which \
    one you were her all she there would their we him been has when who will more no if out so said what up its about into than them can \
    only other new some could time these two may then do first any my now such like our over man me even most made after also did many \
    before must through back years where much your way well down should because each just those people how too little state good very \
    make world still own see men work long get here between both life being under never day same another know while last might us great \
    old year off come since against go came right used take three server account product select order price search login update";

/// Numbers that are always the same: xorshift64*.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % bound.max(1)
    }
}

/// One connection, and what it still has to say: who speaks, and what.
struct Connection {
    client: (Ipv4Addr, u16),
    server: Ipv4Addr,
    /// Sequence numbers of client and server.
    next: [u32; 2],
    requests: u32,
    waiting: std::collections::VecDeque<(usize, Vec<u8>)>,
}

/// Writes the capture; gives the bytes of its packets.
pub(crate) fn write(file: &mut impl Write, bytes: f64) -> anyhow::Result<f64> {
    let mut out = BufWriter::new(file);
    // pcap, microseconds, Ethernet.
    out.write_all(&0xA1B2_C3D4_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
    let mut dice = Dice(0x5EED_5EED_5EED_5EED);
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut connections: Vec<Connection> = Vec::new();
    let (mut written, mut at, mut number) = (0.0, 0_u64, 0_u32);
    while written < bytes {
        while connections.len() < AT_ONCE {
            connections.push(Connection::open(number));
            number += 1;
        }
        let chosen = dice.below(connections.len());
        let Some(connection) = connections.get_mut(chosen) else { continue };
        let mut packets = Vec::new();
        if connection.step(&mut dice, &words, &mut packets) {
            connections.swap_remove(chosen);
        }
        for packet in packets {
            at += 40;
            let length = u32::try_from(packet.len() + ETHERNET.len())?;
            for part in [
                1_700_000_000 + u32::try_from(at / 1_000_000)?,
                u32::try_from(at % 1_000_000)?,
                length,
                length,
            ] {
                out.write_all(&part.to_le_bytes())?;
            }
            out.write_all(&ETHERNET)?;
            out.write_all(&packet)?;
            written += f64::from(length);
        }
    }
    out.flush()?;
    Ok(written)
}

impl Connection {
    fn open(number: u32) -> Self {
        let [_, b, c, d] = number.to_be_bytes();
        Self {
            client: (
                Ipv4Addr::new(198, 18 + b % 2, c, d),
                u16::try_from(20_000 + number % 40_000).unwrap_or(20_000),
            ),
            server: Ipv4Addr::new(192, 0, 2, 10),
            next: [number.wrapping_mul(7919), number.wrapping_mul(104_729)],
            requests: 0,
            waiting: std::collections::VecDeque::new(),
        }
    }

    /// The next packets; whether the connection is over.
    fn step(&mut self, dice: &mut Dice, words: &[&str], packets: &mut Vec<Vec<u8>>) -> bool {
        if self.requests == 0 && self.waiting.is_empty() {
            for (from, flags) in [(0, Flags::SYN), (1, Flags::SYN.with(Flags::ACK)), (0, Flags::ACK)] {
                packets.push(self.packet(from, flags, &[]));
                if let Some(next) = self.next.get_mut(from).filter(|_| flags.syn()) {
                    *next = next.wrapping_add(1);
                }
            }
        }
        if self.waiting.is_empty() {
            if self.requests == REQUESTS {
                for (from, flags) in
                    [(0, Flags::FIN.with(Flags::ACK)), (1, Flags::FIN.with(Flags::ACK)), (0, Flags::ACK)]
                {
                    packets.push(self.packet(from, flags, &[]));
                    if let Some(next) = self.next.get_mut(from).filter(|_| flags.fin()) {
                        *next = next.wrapping_add(1);
                    }
                }
                return true;
            }
            self.requests += 1;
            for (from, message) in exchange(dice, words) {
                self.waiting.extend(message.chunks(MSS).map(|part| (from, part.to_vec())));
            }
        }
        // Two segments, then what acknowledges them.
        let mut last = 0;
        for _ in 0..2 {
            let Some((from, payload)) = self.waiting.pop_front() else { break };
            packets.push(self.packet(from, Flags::ACK.with(Flags::PSH), &payload));
            if let Some(next) = self.next.get_mut(from) {
                *next = next.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
            }
            last = from;
        }
        packets.push(self.packet(1 - last, Flags::ACK, &[]));
        false
    }

    fn packet(&self, from: usize, flags: Flags, payload: &[u8]) -> Vec<u8> {
        let (client, server) = ((IpAddr::V4(self.client.0), self.client.1), (IpAddr::V4(self.server), 80));
        let (source, destination) = if from == 0 { (client, server) } else { (server, client) };
        let [to_server, to_client] = self.next;
        let (sequence, acknowledgement) =
            if from == 0 { (to_server, to_client) } else { (to_client, to_server) };
        Segment {
            source: source.0,
            destination: destination.0,
            source_port: source.1,
            destination_port: destination.1,
            sequence,
            acknowledgement,
            flags,
            window: 64_000,
            timestamps: None,
            payload,
        }
        .packet()
    }
}

/// A request and its answer.
fn exchange(dice: &mut Dice, words: &[&str]) -> [(usize, Vec<u8>); 2] {
    let word = |dice: &mut Dice| words.get(dice.below(words.len())).copied().unwrap_or("word");
    let text = |dice: &mut Dice, length: usize| {
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            text.push_str(word(dice));
            text.push(if dice.below(12) == 0 { '.' } else { ' ' });
        }
        text
    };
    let headers = format!(
        "Host: www{}.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n\
         Cookie: session={:016x}; seen={}\r\nReferer: http://www.example.org/{}\r\n",
        dice.below(20),
        dice.next(),
        dice.below(1000),
        word(dice)
    );
    let path = format!("/{}/{}/{}-{}", word(dice), word(dice), word(dice), dice.below(100_000));
    let request = match dice.below(10) {
        0 => {
            let form = format!(
                "name={}&comment={}&id={}",
                word(dice),
                text(dice, 300).replace(' ', "+"),
                dice.below(9999)
            );
            format!(
                "POST {path} HTTP/1.1\r\n{headers}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            )
        }
        1 => {
            let json = format!(
                "{{\"item\":\"{}\",\"count\":{},\"note\":\"{}\"}}",
                word(dice),
                dice.below(99),
                text(dice, 200)
            );
            format!(
                "POST /api{path} HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
                json.len()
            )
        }
        _ => format!("GET {path}?q={}&page={} HTTP/1.1\r\n{headers}\r\n", word(dice), dice.below(50)),
    };
    let (kind, body) = match dice.below(10) {
        0..=1 => {
            let length = 2_000 + dice.below(40_000);
            ("image/jpeg", (0..length.div_ceil(8)).flat_map(|_| dice.next().to_le_bytes()).collect())
        }
        2..=3 => {
            let mut script = String::new();
            for number in 0..200 + dice.below(400) {
                let line = format!(
                    "function {}{number}(a,b){{return a.{}+b[{}];}}\n",
                    word(dice),
                    word(dice),
                    dice.below(9)
                );
                script.push_str(&line);
            }
            ("application/javascript", script.into_bytes())
        }
        _ => {
            let mut page = String::from("<!DOCTYPE html><html><head><title>A page</title></head><body>\n");
            for _ in 0..10 + dice.below(60) {
                let part = format!(
                    "<div class=\"{}\"><a href=\"/{}\">{}</a><p>{}</p></div>\n",
                    word(dice),
                    word(dice),
                    word(dice),
                    text(dice, 400)
                );
                page.push_str(&part);
            }
            page += "</body></html>\n";
            ("text/html; charset=utf-8", page.into_bytes())
        }
    };
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\nServer: nginx\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-cache\r\nConnection: keep-alive\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend(body);
    [(0, request.into_bytes()), (1, answer)]
}
