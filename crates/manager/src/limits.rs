//! How often one may ask: limits of requests for each user or key, and for each tenant.
//!
//! Each manager counts by itself. A limit of N a minute allows N at once and then one each 60/N seconds (GCRA).
use crate::problem::Refused;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

/// Requests a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Of one user or API key; no limit where it is 0. A console page takes about ten.
    pub principal: u32,
    /// Of all users and keys of one tenant; no limit where it is 0.
    pub tenant: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { principal: 1_200, tenant: 6_000 }
    }
}

/// Those who have asked little lately are forgotten after so many requests.
const TIDY: u32 = 1_024;

type Keyed<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// The counters.
#[derive(Debug)]
pub(crate) struct Limits {
    principals: Option<Limit<(Uuid, Uuid)>>,
    tenants: Option<Limit<Uuid>>,
    asked: AtomicU32,
}

#[derive(Debug)]
struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    a_minute: NonZeroU32,
    counters: Keyed<K>,
}

// === impl Limits ===

impl Limits {
    /// These limits.
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self {
            principals: Limit::new("principal", limits.principal),
            tenants: Limit::new("tenant", limits.tenant),
            asked: AtomicU32::new(0),
        }
    }

    /// Counts a request: what its answer says of the limits, and whether it is one too many.
    pub(crate) fn count(&self, (tenant, principal): (Uuid, Uuid)) -> (HeaderMap, Result<(), Refused>) {
        if self.asked.fetch_add(1, Ordering::Relaxed) % TIDY == TIDY - 1 {
            if let Some(limit) = &self.principals {
                limit.counters.retain_recent();
            }
            if let Some(limit) = &self.tenants {
                limit.counters.retain_recent();
            }
        }
        let mut told = Told::default();
        let within =
            self.principals.as_ref().map_or(Ok(()), |limit| limit.count(&(tenant, principal), &mut told));
        // Whoever is over the own limit takes nothing of what others share.
        let within = within
            .and_then(|()| self.tenants.as_ref().map_or(Ok(()), |limit| limit.count(&tenant, &mut told)));
        (told.headers(), within)
    }
}

// === impl Limit ===

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, a_minute: u32) -> Option<Self> {
        let a_minute = NonZeroU32::new(a_minute)?;
        let counters = RateLimiter::hashmap(Quota::per_minute(a_minute)).with_middleware();
        Some(Self { name, a_minute, counters })
    }

    fn count(&self, key: &K, told: &mut Told) -> Result<(), Refused> {
        let (remaining, wait) = match self.counters.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(DefaultClock::default().now()))),
        };
        let full =
            u64::from(self.a_minute.get().saturating_sub(remaining)) * 60 / u64::from(self.a_minute.get());
        told.policies.push(format!("\"{}\";q={};w=60", self.name, self.a_minute));
        told.states.push(format!("\"{}\";r={remaining};t={full}", self.name));
        let Some(wait) = wait else { return Ok(()) };
        let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let mut refused = Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate-limited",
            "Too many requests within a minute.",
            format!("Try again in {secs} seconds; the header RateLimit says how many are left."),
        );
        refused.retry_after = Some(secs);
        Err(refused)
    }
}

/// What answers say, as draft-ietf-httpapi-ratelimit-headers-11 has it.
#[derive(Debug, Default)]
struct Told {
    policies: Vec<String>,
    states: Vec<String>,
}

impl Told {
    fn headers(self) -> HeaderMap {
        let named = [("ratelimit-policy", self.policies), ("ratelimit", self.states)];
        named
            .into_iter()
            .filter(|(_, members)| !members.is_empty())
            .filter_map(|(name, members)| {
                let value = HeaderValue::from_str(&members.join(", ")).ok()?;
                Some((HeaderName::from_static(name), value))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_asks_too_often_waits_and_others_do_not() {
        let limits = Limits::new(RateLimits { principal: 3, tenant: 5 });
        let tenant = Uuid::from_u128(1);
        let ask = |who: u128| limits.count((tenant, Uuid::from_u128(who)));
        let (headers, within) = ask(1);
        assert!(within.is_ok());
        assert_eq!(headers["ratelimit-policy"], "\"principal\";q=3;w=60, \"tenant\";q=5;w=60");
        assert_eq!(headers["ratelimit"], "\"principal\";r=2;t=20, \"tenant\";r=4;t=12");
        assert!(ask(1).1.is_ok() && ask(1).1.is_ok());
        let (headers, within) = ask(1);
        let refused = within.unwrap_err();
        assert_eq!((refused.status, refused.code), (StatusCode::TOO_MANY_REQUESTS, "rate-limited"));
        assert!((1..=20).contains(&refused.retry_after.unwrap()));
        assert_eq!(headers["ratelimit"], "\"principal\";r=0;t=60");
        assert!(ask(2).1.is_ok() && ask(2).1.is_ok(), "the tenant has two left");
        assert!(ask(3).1.is_err(), "the tenant has none left");
        assert!(limits.count((Uuid::from_u128(2), Uuid::from_u128(4))).1.is_ok(), "another tenant");
    }

    #[test]
    fn no_limit_says_nothing() {
        let limits = Limits::new(RateLimits { principal: 0, tenant: 0 });
        let (headers, within) = limits.count((Uuid::nil(), Uuid::nil()));
        assert!(within.is_ok() && headers.is_empty());
    }
}
