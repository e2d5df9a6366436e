//! Numbers for each api key, found by index since keys are dense.

use super::durations::{self, Histogram};
use super::summed::{Family, Series};
use super::threads::{Counters, Place};
use crate::protocol::api::{Policy, UNKNOWN, carries_addresses, visible};

/// Something for each api key, and perhaps for the keys that have none.
#[derive(Debug)]
pub(super) struct PerApi<T> {
    by_key: Vec<Option<T>>,
    unknown: Option<T>,
}

/// What is counted of the requests of an api. All of it lies side by side: a session comes back from the kernel with a cold
/// cache, and each line that it must fetch costs more than an addition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchanges {
    pub(super) requests: Place,
    pub(super) seconds: Histogram,
}

impl PerApi<Exchanges> {
    pub(super) fn of_all(series: &mut Series, apis: &[(i16, &'static str)]) -> Self {
        let mut both = |name| {
            series.begin_line();
            Exchanges {
                requests: series.counter(Family::Requests, &[name]),
                seconds: series.histogram(Family::RequestSeconds, &[name], &durations::REQUEST),
            }
        };
        let unknown = both(UNKNOWN);
        let mut all = PerApi::new(Some(unknown));
        let policy = Policy::default();
        let (passing, others): (Vec<_>, Vec<_>) =
            apis.iter().partition(|(key, _)| visible(&policy, *key));
        for &(key, name) in passing {
            all.insert(key, both(name));
        }
        // Nobody waits for what is not let through, and the histograms would be a quarter of all series.
        for &(key, name) in others {
            let requests = series.counter(Family::Requests, &[name]);
            all.insert(
                key,
                Exchanges {
                    requests,
                    ..unknown
                },
            );
        }
        all
    }
}

impl PerApi<Exchanges> {
    /// Where the times of all apis but these are counted.
    pub(super) fn seconds_without(&self, apis: &[i16]) -> impl Iterator<Item = Histogram> {
        let unknown = self.unknown.map(|unknown| unknown.seconds);
        // Apis that are not let through have no times of their own.
        let is_own = move |seconds: &Histogram| !unknown.is_some_and(|it| it.is(*seconds));
        let known = self.by_key.iter().enumerate();
        let known = known.filter(|(key, _)| !apis.iter().any(|api| *api as usize == *key));
        let known = known.filter_map(|(_, exchanges)| Some(exchanges.as_ref()?.seconds));
        known.filter(is_own).chain(unknown)
    }
}

impl PerApi<Place> {
    /// Only the apis that can count here: a series that stays at zero for ever tells nobody anything.
    pub(super) fn with_addresses(
        series: &mut Series,
        family: Family,
        apis: &[(i16, &'static str)],
    ) -> Self {
        let mut some = PerApi::new(None);
        for &(key, name) in apis.iter().filter(|(key, _)| carries_addresses(*key)) {
            some.insert(key, series.counter(family, &[name]));
        }
        some
    }

    pub(super) fn add(&self, counters: &Counters, api_key: i16, n: u64) {
        if let Some(place) = self.of(api_key) {
            counters.add(place, n);
        }
    }
}

impl<T: Copy> PerApi<T> {
    fn new(unknown: Option<T>) -> Self {
        PerApi {
            by_key: Vec::new(),
            unknown,
        }
    }

    fn insert(&mut self, api_key: i16, it: T) {
        let Ok(index) = usize::try_from(api_key) else {
            // No api has such a key.
            return;
        };
        if index >= self.by_key.len() {
            self.by_key.resize(index + 1, None);
        }
        self.by_key[index] = Some(it);
    }

    pub(super) fn of(&self, api_key: i16) -> Option<T> {
        let index = usize::try_from(api_key).ok();
        let known = index.and_then(|index| *self.by_key.get(index)?);
        known.or(self.unknown)
    }
}
