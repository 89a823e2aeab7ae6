//! Whether the options fit together, and the draft that comes of them.
use super::{
    Action, Buffer, Builder, Content, Direction, Directions, Draft, Finding, GROUPS, Header, Outline,
    Protocol, Set, Step, Target, Word, shown,
};
use sakimori_model::Level;

impl Builder<'_> {
    pub(super) fn finish(mut self, outline: &Outline<'_>) -> (Option<Draft>, Vec<Finding>) {
        self.report_unused();
        let action = self.keep(action(outline.action));
        let protocol = self.keep(protocol(outline.protocol));
        let header = self.header(outline);
        let end = outline.options.last().map_or(outline.action.at, |o| o.name.at);
        if !self.sid_written {
            self.findings.push(Finding::error(
                "S015",
                end,
                "the rule has no sid",
                "give it a number of its own: sid:1000001;",
            ));
        }
        let items = std::mem::take(&mut self.items);
        let mut groups: Vec<(Target, Vec<Step>)> = Vec::new();
        for item in items {
            let target = item.target.unwrap_or(Target { buffer: Buffer::Payload, transforms: Vec::new() });
            if let Step::Content(content) = &item.step {
                check_content(content, &mut self.findings);
            }
            match groups.iter_mut().find(|(t, _)| *t == target) {
                Some((_, steps)) => steps.push(item.step),
                None => groups.push((target, vec![item.step])),
            }
        }
        if groups.len() > GROUPS {
            self.findings.push(Finding::error(
                "S054",
                end,
                format!("the rule looks at more than {GROUPS} buffers"),
                "split the rule",
            ));
        }
        self.check_fast_patterns(&groups);
        for (_, steps) in &groups {
            check_sizes(steps, &mut self.findings);
        }
        let directions = self.directions(&groups, protocol, end);
        let failed = self.findings.iter().any(|f| f.level == Level::Error);
        if self.meta.msg.is_none() && !failed {
            self.findings.push(Finding::warning(
                "S016",
                end,
                "the rule has no msg",
                "say what it found: msg:\"...\";",
            ));
        }
        self.findings.sort_by_key(|f| f.at);
        let draft = match (action, protocol, header, failed) {
            (Some(action), Some(protocol), Some(header), false) => Some(Draft {
                action,
                protocol,
                header,
                directions,
                flow: self.flow,
                flowbits: self.flowbits,
                segment: self.segment,
                groups,
                meta: self.meta,
            }),
            _ => None,
        };
        (draft, self.findings)
    }

    fn keep<T>(&mut self, result: Result<T, Finding>) -> Option<T> {
        result.map_err(|finding| self.findings.push(finding)).ok()
    }

    fn header(&mut self, outline: &Outline<'_>) -> Option<Header> {
        let [source, source_ports, arrow, destination, destination_ports] = outline.header;
        let both_ways = match arrow.text {
            "->" => Some(false),
            "<>" => Some(true),
            _ => {
                self.findings.push(Finding::error(
                    "S006",
                    arrow.at,
                    format!("not a direction: {}", shown(arrow.text)),
                    "write -> or <>",
                ));
                None
            }
        };
        let source = self.keep(Set::parse(source, self.variables));
        let source_ports = self.keep(Set::parse(source_ports, self.variables));
        let destination = self.keep(Set::parse(destination, self.variables));
        let destination_ports = self.keep(Set::parse(destination_ports, self.variables));
        Some(Header {
            source: source?,
            source_ports: source_ports?,
            destination: destination?,
            destination_ports: destination_ports?,
            both_ways: both_ways?,
        })
    }

    /// The directions in which everything the rule looks at exists.
    fn directions(
        &mut self,
        groups: &[(Target, Vec<Step>)],
        protocol: Option<Protocol>,
        end: usize,
    ) -> Directions {
        let mut directions = match self.flow.direction {
            Some(Direction::ToServer) => Directions::TO_SERVER,
            Some(Direction::ToClient) => Directions::TO_CLIENT,
            None => Directions::BOTH,
        };
        for (target, _) in groups {
            let next = directions.intersection(target.buffer.directions());
            if next.is_empty() {
                let other = groups
                    .iter()
                    .find(|(t, _)| t.buffer.directions().intersection(target.buffer.directions()).is_empty());
                let title = match other {
                    Some((other, _)) => {
                        format!("{} and {} never exist at the same time", other.buffer, target.buffer)
                    }
                    None => format!("{} does not exist in the direction that flow names", target.buffer),
                };
                self.findings.push(Finding::error(
                    "S041",
                    end,
                    title,
                    "a rule looks at the request or at the response; join two rules with flowbits",
                ));
                return directions;
            }
            directions = next;
        }
        let payload = groups.iter().any(|(t, _)| t.buffer == Buffer::Payload);
        if let (true, Some((target, _))) = (payload, groups.iter().find(|(t, _)| t.buffer != Buffer::Payload))
        {
            self.findings.push(Finding::error(
                "S055",
                end,
                format!("the rule looks at the raw stream and at {}", target.buffer),
                "put the contents without a buffer into one: http.uri, http.header.raw, http.request_body",
            ));
        }
        let http = groups.iter().find(|(t, _)| t.buffer != Buffer::Payload);
        if let (Some((target, _)), Some(Protocol::Tcp | Protocol::Ip)) = (http, protocol)
            && self.segment.is_some()
        {
            self.findings.push(Finding::error(
                "S041",
                end,
                format!("dsize looks at one packet, {} at a transaction", target.buffer),
                "use bsize or urilen",
            ));
        }
        directions
    }

    fn check_fast_patterns(&mut self, groups: &[(Target, Vec<Step>)]) {
        let mut seen = false;
        for content in groups.iter().flat_map(|(_, steps)| steps).filter_map(content_of).filter(|c| c.fast) {
            if content.negated {
                self.findings.push(Finding::error(
                    "S044",
                    content.at,
                    "a negated content cannot be the fast pattern",
                    "a rule is looked at when its fast pattern is there: choose a content that must be present",
                ));
            } else if seen {
                self.findings.push(Finding::error(
                    "S044",
                    content.at,
                    "the rule has two fast patterns",
                    "keep the rarer one",
                ));
            }
            seen = true;
        }
    }
}

fn content_of(step: &Step) -> Option<&Content> {
    match step {
        Step::Content(content) => Some(content),
        _ => None,
    }
}

fn action(word: Word<'_>) -> Result<Action, Finding> {
    match word.text {
        "alert" => Ok(Action::Alert),
        "drop" => Ok(Action::Drop),
        "reject" | "rejectsrc" | "rejectdst" | "rejectboth" => Ok(Action::Reject),
        "pass" => Ok(Action::Pass),
        text => Err(Finding::error(
            "S003",
            word.at,
            format!("unknown action: {}", shown(text)),
            "write alert, drop, reject or pass",
        )),
    }
}

fn protocol(word: Word<'_>) -> Result<Protocol, Finding> {
    match word.text {
        "http" | "http1" => Ok(Protocol::Http),
        "tcp" | "tcp-stream" => Ok(Protocol::Tcp),
        "ip" => Ok(Protocol::Ip),
        "udp" | "icmp" | "icmpv4" | "icmpv6" | "sctp" | "pkthdr" | "tcp-pkt" | "dns" | "tls" | "ssl"
        | "smtp" | "ftp" | "ftp-data" | "smb" | "ssh" | "dcerpc" | "dhcp" | "nfs" | "rdp" | "sip"
        | "snmp" | "tftp" | "krb5" | "ikev2" | "ike" | "mqtt" | "http2" | "imap" | "modbus" | "dnp3"
        | "enip" | "rfb" | "ntp" | "quic" | "pgsql" | "telnet" | "ldap" | "websocket" | "ip4" | "ip6"
        | "ipv4" | "ipv6" | "pop3" | "doh2" | "mdns" | "bittorrent-dht" => Err(Finding::error(
            "S005",
            word.at,
            format!("the protocol {} is not inspected yet", word.text),
            "inspected are http, tcp and ip over TCP; leave the rule out",
        )),
        text => Err(Finding::error(
            "S004",
            word.at,
            format!("unknown protocol: {}", shown(text)),
            "write http, tcp or ip",
        )),
    }
}

/// Contradictory modifiers of one content, and those with which it can never match.
fn check_content(content: &Content, findings: &mut Vec<Finding>) {
    let mut found =
        |code, title: &str, help: &str| findings.push(Finding::error(code, content.at, title, help));
    let length = u32::try_from(content.bytes.len()).unwrap_or(u32::MAX);
    let absolute = content.offset.is_some() || content.depth.is_some();
    if content.is_relative() && absolute {
        found(
            "S023",
            "the content is placed both from the beginning and from the match before it",
            "use offset and depth, or distance and within",
        );
    }
    if content.startswith && (absolute || content.is_relative()) {
        found(
            "S023",
            "startswith says where the content is, and so does another modifier",
            "remove offset, depth, distance and within",
        );
    }
    if content.endswith && content.offset.is_some() {
        found(
            "S023",
            "endswith says where the content is, and so does offset",
            "remove offset; bsize says how long the buffer is",
        );
    }
    if content.depth.is_some_and(|depth| depth < length) {
        found(
            "S024",
            "depth is shorter than the content: it never matches",
            "make depth at least the length of the content",
        );
    }
    if content.within.is_some_and(|within| within < length) {
        found(
            "S024",
            "within is shorter than the content: it never matches",
            "make within at least the length of the content",
        );
    }
}

/// Sizes that no content fits in.
fn check_sizes(steps: &[Step], findings: &mut Vec<Finding>) {
    let most = steps.iter().filter_map(|s| if let Step::Size(range) = s { range.most() } else { None }).min();
    let Some(most) = most else { return };
    for content in steps.iter().filter_map(content_of).filter(|c| !c.negated) {
        let needed = content.bytes.len() as u64 + u64::from(content.offset.unwrap_or(0));
        if needed > most {
            findings.push(Finding::error(
                "S043",
                content.at,
                format!("the content needs {needed} bytes, but the buffer may have at most {most}"),
                "correct bsize, urilen or the content",
            ));
        }
    }
}
