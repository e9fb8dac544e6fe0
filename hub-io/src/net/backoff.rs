//! How long to wait before the next try.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::options::Backoff;

/// Numbers for the jitter (`SplitMix64`), shared by all streams of a client.
#[derive(Debug)]
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        // The standard library's hasher is seeded by the operating system.
        Self(AtomicU64::new(
            seed.unwrap_or_else(|| RandomState::new().hash_one(0)),
        ))
    }

    /// Evenly spread over `0.0..1.0`.
    fn next(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The pause after `tries` failures in a row (at least one), when the server asked for `asked`.
pub(crate) fn pause(
    options: &Backoff,
    jitter: &Jitter,
    tries: u32,
    asked: Option<Duration>,
) -> Duration {
    let doublings = tries.saturating_sub(1).min(31);
    let longest = options.base.saturating_mul(1 << doublings).min(options.cap);
    let ours = longest / 2 + (longest / 2).mul_f64(jitter.next());
    ours.max(asked.unwrap_or_default().min(options.retry_after_cap))
}

/// The value of `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // A date that has passed asks for no pause.
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_stay_in_their_upper_half() {
        let options = Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(10),
            ..Backoff::default()
        };
        let jitter = Jitter::new(Some(7));
        for (tries, longest) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (u32::MAX, 10)] {
            let longest = Duration::from_secs(longest);
            for _ in 0..100 {
                let pause = pause(&options, &jitter, tries, None);
                assert!(
                    pause >= longest / 2 && pause <= longest,
                    "{tries}: {pause:?}"
                );
            }
        }
    }

    #[test]
    fn the_server_may_ask_for_more_up_to_a_cap() {
        let options = Backoff::default();
        let jitter = Jitter::new(Some(7));
        let asked = |seconds| pause(&options, &jitter, 1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(20), Duration::from_secs(20));
        assert_eq!(asked(u64::MAX), Duration::from_mins(5));
        assert!(asked(0) >= options.base / 2);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Fri, 06 Nov 2026 08:49:37 GMT").unwrap();
        let after = |value| retry_after(value, now);
        assert_eq!(after(" 12 "), Some(Duration::from_secs(12)));
        let date = "Fri, 06 Nov 2026 08:50:07 GMT";
        assert_eq!(after(date), Some(Duration::from_secs(30)));
        let past = "Fri, 06 Nov 2020 08:50:07 GMT";
        assert_eq!(after(past), Some(Duration::ZERO));
        for bad in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(after(bad), None, "{bad}");
        }
    }
}
