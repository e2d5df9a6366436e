//! One number for each api key, found by index since keys are dense.

use super::durations::{self, Histogram};
use super::summed::{Family, Series};
use super::threads::{Counters, Place};
use crate::protocol::api::{Policy, UNKNOWN, carries_addresses, visible};

/// A counter (or a histogram) an api key, found by index since keys are dense, and perhaps one for the keys that have none.
#[derive(Debug)]
pub(super) struct PerApi<T> {
    by_key: Vec<Option<T>>,
    unknown: Option<T>,
}

impl PerApi<Place> {
    pub(super) fn of_all(series: &mut Series, apis: &[(i16, &'static str)]) -> Self {
        let mut all = PerApi::new(Some(series.counter(Family::Requests, &[UNKNOWN])));
        for &(key, name) in apis {
            all.insert(key, series.counter(Family::Requests, &[name]));
        }
        all
    }

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

impl PerApi<Histogram> {
    /// Only the apis that are let through: those among brokers would be a quarter of all series.
    pub(super) fn of_answered(series: &mut Series, apis: &[(i16, &'static str)]) -> Self {
        let mut of = |name| series.histogram(Family::RequestSeconds, &[name], durations::REQUEST);
        let mut some = PerApi::new(Some(of(UNKNOWN)));
        let policy = Policy::default();
        for &(key, name) in apis.iter().filter(|(key, _)| visible(&policy, *key)) {
            some.insert(key, of(name));
        }
        some
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
