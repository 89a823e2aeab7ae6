//! Ordinary visitors: they read the front page, one after the other, and count what happens to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::host::enter;
use crate::{Host, http};

/// The pause between two visits.
const PAUSE: Duration = Duration::from_millis(20);
/// What a visitor waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Visits going on in the background.
#[derive(Debug)]
pub struct Visitors {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Served>,
}

/// What the visitors saw.
#[derive(Debug, Default, Clone)]
pub struct Served {
    /// Visits that were answered with 200.
    pub well: u64,
    /// Visits that were not, and the first reason.
    pub ill: u64,
    reason: Option<String>,
    slowest: Duration,
}

impl Served {
    /// Whether there were visits, and every one was served.
    pub fn all_well(&self) -> bool {
        self.well > 0 && self.ill == 0
    }

    /// In one line.
    pub fn words(&self) -> String {
        let slowest = self.slowest.as_millis();
        match &self.reason {
            None => format!("{} visits served, none refused, slowest {slowest} ms", self.well),
            Some(reason) => {
                format!("{} visits served, {} not ({reason}), slowest {slowest} ms", self.well, self.ill)
            }
        }
    }
}

impl Visitors {
    /// Starts to visit `path` of `site` from the machine `from`.
    pub fn start(from: &Host, site: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let namespace = from.namespace_file()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let path = path.to_owned();
        let thread = std::thread::spawn(move || {
            let mut served = Served::default();
            if let Err(error) = enter(&namespace) {
                served.ill = 1;
                served.reason = Some(error.to_string());
                return served;
            }
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                match http::get_here(site, &path, PATIENCE) {
                    Ok(answer) if answer.status == 200 => served.well += 1,
                    Ok(answer) => served.count_ill(format!("HTTP {}", answer.status)),
                    Err(error) => served.count_ill(format!("{error:#}")),
                }
                served.slowest = served.slowest.max(start.elapsed());
                std::thread::sleep(PAUSE);
            }
            served
        });
        Ok(Self { stop, thread })
    }

    /// Ends the visits.
    pub fn finish(self) -> Served {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Served {
            ill: 1,
            reason: Some("the visitor's thread panicked".to_owned()),
            ..Served::default()
        })
    }
}

impl Served {
    fn count_ill(&mut self, reason: String) {
        self.ill += 1;
        self.reason.get_or_insert(reason);
    }
}
