//! FTP's data connections over the seam of [`crate::dialogue`]: one file each, known by what the control connection announced.
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step, Transaction};
use crate::expected::Transfer;
use crate::file::File;
use crate::record::{Field, Said, Told, text};
use sakimori_signatures::{Buffer, Direction, Fact, Protocol, Stage};

/// Never found by what is said: it is announced.
pub(crate) const SPEC: Spec = Spec {
    protocol: Protocol::FtpData,
    ports: &[],
    probe: |_, _| Probe::No,
    make: || Box::<FtpData>::default(),
};

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct FtpData {
    transfer: Option<Transfer>,
    file: File,
    direction: Option<Direction>,
    rules: RuleMemory,
}

impl FtpData {
    fn judge(&mut self, asking: &mut Asking<'_>, direction: Direction, end: bool) -> Step {
        let stage = match (direction, end) {
            (Direction::ToServer, false) => Stage::RequestBody,
            (Direction::ToServer, true) => Stage::RequestEnd,
            (Direction::ToClient, false) => Stage::ResponseBody,
            (Direction::ToClient, true) => Stage::ResponseEnd,
        };
        let view = FtpDataView {
            transfer: self.transfer.as_ref(),
            file: &self.file,
            direction,
            limit: asking.shared.limits.http.body_bytes,
            over: end,
        };
        asking.judge(&view, 0, &mut self.rules, stage).into()
    }
}

impl Dialogue for FtpData {
    fn protocol(&self) -> Protocol {
        Protocol::FtpData
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        if self.transfer.is_none() {
            let end = (asking.facts.server, asking.facts.server_port);
            self.transfer = asking.shared.expected.take(end);
            if let Some(transfer) = &self.transfer {
                self.file = File::named(&transfer.name);
            }
        }
        // files go one way
        if *self.direction.get_or_insert(direction) != direction {
            return Step::Continue;
        }
        self.file.push(bytes, asking.shared.limits.http.body_bytes);
        self.judge(asking, direction, false)
    }

    fn gap(&mut self, _asking: &mut Asking<'_>, _direction: Direction, bytes: u64) -> Step {
        self.file.gap(bytes);
        Step::Continue
    }

    fn end(&mut self, asking: &mut Asking<'_>, blocked: bool) {
        let Some(direction) = self.direction.filter(|_| !blocked) else { return };
        let _too_late = self.judge(asking, direction, true);
        if !self.file.name.is_empty() {
            let within = self.transfer.as_ref().map(told);
            asking.record(Protocol::FtpData, direction, 0, self.file.said(within, true));
        }
    }
}

fn told(transfer: &Transfer) -> Said {
    let fields = vec![
        ("filename", Field::Text(text(&transfer.name))),
        ("command", Field::Text(text(&transfer.command))),
    ];
    Said::Told(Told { name: "ftp_data", fields })
}

struct FtpDataView<'a> {
    transfer: Option<&'a Transfer>,
    file: &'a File,
    direction: Direction,
    limit: usize,
    over: bool,
}

impl Transaction for FtpDataView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::FtpData
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        let named = |text: &'_ [u8]| !text.is_empty();
        match buffer {
            Buffer::FileData if direction == self.direction => self.file.bytes(),
            Buffer::FileName => Some(self.file.name.as_slice()).filter(|name| named(name)),
            Buffer::FtpDataCommand => {
                self.transfer.map(|transfer| transfer.command.as_slice()).filter(|command| named(command))
            }
            _ => None,
        }
    }

    fn is_complete(&self, _buffer: Buffer, _direction: Direction) -> bool {
        self.over || self.file.is_full(self.limit)
    }

    fn fact(&self, fact: Fact, _direction: Direction) -> Option<u64> {
        (fact == Fact::FileSize && self.over).then(|| self.file.size())
    }

    fn said(&self) -> Option<Said> {
        self.transfer.map(told)
    }
}
