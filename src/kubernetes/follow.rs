//! Asks the API server for one Service, and watches it: the address that it has, and each change of it.
//!
//! One object is read and one is watched, by its name. A Role with `resourceNames` allows that, and forbids a list of the
//! namespace, which is what libraries of informers begin with.
//!
//! Each round makes its client anew, so that it has the token and the authority that are in the files now: a pod's token is good for
//! an hour, a round ends after five minutes at the latest.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use http_body_util::LengthLimitError;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, WatchEvent, WatchParams};
use kube::core::Status;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::debug;

use super::account::{Account, chain, whole};
use super::pace::{self, Latest, note};
use super::{Failure, News};
use crate::config::{ServiceName, advertised_host};
use crate::session::random;
use crate::text::tamed;

/// How long the API server lets a watch last; it wants less than 295.
const WATCH_SECONDS: u32 = 290;

/// How much later than that it may end: then nobody is at the other end any more.
const WATCH_SLACK: Duration = Duration::from_secs(15);

/// For an answer to a request.
const PATIENCE: Duration = Duration::from_secs(15);

/// How soon a watch tells of the Service as it is, with which it begins. A Service that is not there any more is not told of.
const BEGUN: Duration = Duration::from_secs(5);

/// What forbids a watch ends it sooner.
const SETTLED: Duration = Duration::from_secs(1);

/// For the first try after something went wrong, about. Each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A watch from this version on begins with what there is now, and forgets nothing. Not that of the Service, which may be older than all
/// that the API server remembers, when nobody has changed it for long: it would be "too old" again and again.
const NOW: &str = "";

/// A round that lasted so long went well: what comes after it is no repetition of what was before it.
const LASTING: Duration = Duration::from_secs(30);

/// Follows a Service until this is dropped, and says what is found out.
pub async fn follow<F>(service: ServiceName, tell: impl Fn(News) -> F) -> Infallible
where
    F: Future<Output = ()>,
{
    let (found, latest) = watch::channel(Latest::default());
    tokio::select! {
        never = read(&service, &found, &tell) => never,
        never = pace::tell(latest, &tell) => never,
    }
}

/// Reads and watches it, again and again.
async fn read<F>(
    service: &ServiceName,
    found: &watch::Sender<Latest>,
    tell: &impl Fn(News) -> F,
) -> Infallible
where
    F: Future<Output = ()>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        match round(service, found, tell).await {
            Ok(why) => debug!(%service, "the Service is read anew: {why}"),
            Err(mut failure) => {
                // What answers may be anything, and have written anything.
                failure.message = tamed(&failure.message, LONGEST);
                tell(News::Failed(failure)).await;
            }
        }
        if began.elapsed() >= LASTING {
            pause = FIRST_PAUSE;
        }
        // All replicas lose the API server at the same moment.
        sleep(pause.mul_f64(0.5 + random() / 2.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Reads it, and watches it for as long as that goes well. Says why it does no more.
async fn round<F>(
    service: &ServiceName,
    found: &watch::Sender<Latest>,
    tell: &impl Fn(News) -> F,
) -> Result<&'static str, Failure>
where
    F: Future<Output = ()>,
{
    let Account {
        client,
        namespace: own,
    } = Account::read()?;
    let place = Place {
        namespace: service.namespace.as_ref().unwrap_or(&own),
        name: &service.name,
    };
    let api: Api<Service> = Api::namespaced(client, place.namespace);
    let get = async || {
        let answer = api.get(place.name);
        let answer = timeout(PATIENCE, answer).await.map_err(|_| unanswered())?;
        answer.map_err(|error| place.failure(error))
    };
    let read = get().await?;
    note(found, place.address(&read)?);
    let only = WatchParams::default()
        .fields(&format!("metadata.name={}", place.name))
        .timeout(WATCH_SECONDS);
    let begin = async { api.watch(&only, NOW).await };
    let events = match timeout(PATIENCE, begin).await {
        Ok(Ok(events)) => events,
        Ok(Err(kube::Error::Api(status))) => return place.over(*status),
        Ok(Err(error)) => return Err(place.failure(error)),
        Err(_) => return Err(unanswered()),
    };
    let mut events = pin!(events);
    let begin = Instant::now();
    let end = begin + Duration::from_secs(WATCH_SECONDS.into()) + WATCH_SLACK;
    let (mut stage, mut until) = (Stage::Begins, begin + BEGUN);
    loop {
        let event = match (timeout_at(until, events.try_next()).await, stage) {
            (Ok(event), _) => event,
            // It may have gone since it was read.
            (Err(_), Stage::Begins) => return get().await.and(Err(dumb("told nothing"))),
            (Err(_), Stage::Settles) => {
                (stage, until) = (Stage::Lasts, end);
                tell(News::Watched).await;
                continue;
            }
            (Err(_), Stage::Lasts) => return Ok("it did not end when it was due"),
        };
        match event {
            Ok(Some(WatchEvent::Added(service) | WatchEvent::Modified(service))) => {
                let address = place.address(&service)?;
                // The API server that is watched may have heard less than the one that was read.
                if stage != Stage::Begins || !is_older(&service, &read) {
                    note(found, address);
                }
                if stage == Stage::Begins {
                    (stage, until) = (Stage::Settles, Instant::now() + SETTLED);
                }
            }
            Ok(Some(WatchEvent::Bookmark(_))) => {}
            Ok(Some(WatchEvent::Deleted(_))) => return Ok("the Service was deleted"),
            Ok(Some(WatchEvent::Error(status))) => return place.over(*status),
            Err(kube::Error::Api(status)) => return place.over(*status),
            Err(error) if stage == Stage::Begins && is_too_long(&error) => {
                return Err(place.failure(error));
            }
            Ok(None) | Err(kube::Error::ReadEvents(_)) if stage == Stage::Begins => {
                return get().await.and(Err(dumb("ended before it told anything")));
            }
            Ok(None) | Err(kube::Error::ReadEvents(_)) => return Ok("its connection ended"),
            Err(error) => return Err(place.failure(error)),
        }
    }
}

/// How far a watch is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has told nothing yet.
    Begins,
    /// It has told of the Service, and may end at once.
    Settles,
    /// It goes well.
    Lasts,
}

/// Whether the first is the second as it was before. Versions count up (KEP-5504); what is no number cannot be said to be older.
fn is_older(first: &Service, second: &Service) -> bool {
    let version = |service: &Service| {
        service
            .metadata
            .resource_version
            .as_ref()?
            .parse::<u64>()
            .ok()
    };
    let versions = version(first).zip(version(second));
    first.metadata.uid == second.metadata.uid
        && versions.is_some_and(|(first, second)| first < second)
}

/// What clients are told of a Service that has several addresses: the first that is a name, else the first.
fn address(service: &Service) -> Result<Option<String>, Failure> {
    let status = service.status.as_ref();
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let entries = balancer.and_then(|balancer| balancer.ingress.as_deref());
    let entries = entries.unwrap_or_default().iter();
    let is_there = |text: &&String| !text.is_empty();
    let mut names = entries.clone().filter_map(|entry| entry.hostname.as_ref());
    let mut ips = entries.filter_map(|entry| entry.ip.as_ref());
    let Some(found) = names.find(is_there).or_else(|| ips.find(is_there)) else {
        return Ok(None);
    };
    match advertised_host(found) {
        Ok(host) => Ok(Some(host)),
        Err(why) => Err(Failure {
            reason: Failure::BAD_ANSWER,
            message: format!("its address {found:?} is none that clients can be told: {why}"),
            remedy: "see who writes status.loadBalancer of that Service".to_owned(),
        }),
    }
}

/// Where the Service is.
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl Place<'_> {
    /// The address of what was answered, if that is the Service.
    fn address(&self, service: &Service) -> Result<Option<String>, Failure> {
        match service.metadata.name.as_deref() == Some(self.name) {
            true => address(service),
            false => Err(no_service("it has another name, or none")),
        }
    }

    /// What ends a watch, or keeps it from beginning: that the API server has forgotten the version from which on it was asked is as it
    /// should be.
    fn over(&self, status: Status) -> Result<&'static str, Failure> {
        match status.code {
            410 => Ok("its version is too old"),
            _ => Err(self.refused(&status)),
        }
    }

    fn failure(&self, error: kube::Error) -> Failure {
        match error {
            kube::Error::Api(status) => self.refused(&status),
            kube::Error::SerdeError(error) => no_service(&error.to_string()),
            kube::Error::FromUtf8(error) => no_service(&error.to_string()),
            error if is_too_long(&error) => no_service("it is too long"),
            error => Failure {
                reason: Failure::UNREACHABLE,
                message: whole(&error),
                remedy: UNREACHABLE.to_owned(),
            },
        }
    }

    fn refused(&self, status: &Status) -> Failure {
        let Place { namespace, name } = self;
        let (reason, remedy) = match status.code {
            401 => (
                Failure::UNAUTHORIZED,
                "see that the pod has the token of a service account (automountServiceAccountToken) and that it is good"
                    .to_owned(),
            ),
            403 => (
                Failure::FORBIDDEN,
                format!(
                    "bind the pod's service account to a Role in the namespace {namespace} with apiGroups: [\"\"], resources: \
                     [\"services\"], resourceNames: [\"{name}\"], verbs: [\"get\", \"watch\"]"
                ),
            ),
            404 => (
                Failure::NOT_FOUND,
                format!(
                    "create the Service {namespace}/{name}, or correct advertised_from_service"
                ),
            ),
            _ => (
                Failure::API_ERROR,
                "it is tried again; see the API server's log if it lasts".to_owned(),
            ),
        };
        Failure {
            reason,
            message: format!(
                "the API server answered {}: {}",
                status.code, status.message
            ),
            remedy,
        }
    }
}

const UNREACHABLE: &str = "it is tried again; if it lasts, see whether a NetworkPolicy keeps this pod from the API server";

fn no_service(why: &str) -> Failure {
    Failure {
        reason: Failure::BAD_ANSWER,
        message: format!("the answer is no Service: {why}"),
        remedy: "see what answers at the API server's address".to_owned(),
    }
}

fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.is::<LengthLimitError>())
}

/// A watch that does not begin with the Service as it is.
fn dumb(why: &str) -> Failure {
    Failure {
        reason: Failure::UNREACHABLE,
        message: format!("its watch {why}, so changes are found only when it is read again"),
        remedy: "it is tried again; if it lasts, see whether what is between this pod and the API server holds answers back or ends them"
            .to_owned(),
    }
}

fn unanswered() -> Failure {
    Failure {
        reason: Failure::UNREACHABLE,
        message: format!(
            "the API server did not answer within {} s",
            PATIENCE.as_secs()
        ),
        remedy: UNREACHABLE.to_owned(),
    }
}

/// More of what somebody else wrote is not told.
const LONGEST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ingress: &str) -> Result<Option<String>, Failure> {
        let text = format!(
            "{{\"metadata\":{{\"name\":\"lb\"}},\"status\":{{\"loadBalancer\":{{\"ingress\":{ingress}}}}}}}"
        );
        address(&serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn the_first_name_comes_before_the_first_ip() {
        let told = |ingress| of(ingress).unwrap();
        assert_eq!(told("[]"), None);
        assert_eq!(told("null"), None);
        assert_eq!(told("[{\"ip\":\"\"},{}]"), None);
        let one = |text: &str| Some(text.to_owned());
        assert_eq!(
            told("[{\"ip\":\"192.0.2.1\"},{\"ip\":\"192.0.2.2\"}]"),
            one("192.0.2.1")
        );
        assert_eq!(told("[{\"ip\":\"2001:db8::1\"}]"), one("2001:db8::1"));
        assert_eq!(
            told(
                "[{\"ip\":\"192.0.2.1\"},{\"hostname\":\"a.example.com\"},{\"hostname\":\"b.example.com\"}]"
            ),
            one("a.example.com")
        );
    }

    #[test]
    fn what_no_client_can_dial_is_not_told() {
        for address in ["0.0.0.0", "a b", "a.example.com:9092"] {
            let failure = of(&format!("[{{\"hostname\":\"{address}\"}}]")).unwrap_err();
            assert_eq!(failure.reason, Failure::BAD_ANSWER);
            assert!(failure.message.contains(address), "{}", failure.message);
        }
    }

    #[test]
    fn a_service_without_a_status_has_no_address() {
        assert_eq!(address(&Service::default()), Ok(None));
    }
}
