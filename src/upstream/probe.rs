//! Probes a broker as a client would begin: dial, TLS where it is configured, and one ApiVersions request, which every
//! listener answers, also one that wants SASL. So a broker sees a client that came and left in order, and logs nothing.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::ask::{self, AskError};
use super::health::{Failure, State};
use super::resolver::Resolver;
use super::{ConnectError, Connected, Server, Upstream};
use crate::config::NodeAddress;
use crate::port_map::Route;

/// How long a probe takes at most: a broker that does not answer is to be seen within ten seconds, and probes are five apart.
const TIMEOUT: Duration = Duration::from_secs(3);

/// There is a connection, and no answer of a broker.
pub(super) const NO_ANSWER: &str = "no_answer";

/// Why a probe found nobody.
#[derive(Debug)]
pub enum ProbeError {
    /// There is no connection.
    Connect(ConnectError),
    /// There is a connection, and no answer of a broker.
    NoAnswer {
        /// What was dialled.
        address: String,
        /// What happened.
        why: String,
    },
}

impl ProbeError {
    /// Every value of [`ProbeError::reason`]: those of [`ConnectError::reason`], and one more.
    pub const REASONS: [&'static str; 1 + ConnectError::REASONS.len()] = {
        let mut all = [NO_ANSWER; 1 + ConnectError::REASONS.len()];
        let mut n = 0;
        while n < ConnectError::REASONS.len() {
            all[n] = ConnectError::REASONS[n];
            n += 1;
        }
        all
    };

    /// What distinguishes failures.
    pub fn reason(&self) -> &'static str {
        match self {
            ProbeError::Connect(error) => error.reason(),
            ProbeError::NoAnswer { .. } => NO_ANSWER,
        }
    }
}

impl Upstream {
    /// Whether the broker that a route leads to can be reached and answers; `None` where it is not known where it is, and
    /// whoever answers at the bootstrap route will tell. Not counted as a connection of a client.
    pub async fn probe(&self, route: Route, resolver: &Resolver) -> Option<Result<(), ProbeError>> {
        let deadline = Instant::now() + TIMEOUT.min(self.connect);
        Some(match route {
            Route::Bootstrap => {
                let probe = async |server: &Server, until: Instant| {
                    let address = &server.address;
                    let connected = self.connect_name(address, None, resolver, until, false);
                    let connected = connected.await?;
                    let answered = self.question(&connected, until).await;
                    if answered.is_ok() {
                        self.learn_from(&connected, until).await;
                    }
                    Ok(answered)
                };
                match self.try_bootstrap(deadline, probe).await {
                    Ok(outcome) => outcome,
                    Err(error) => Err(ProbeError::Connect(error)),
                }
            }
            Route::Node(id) => {
                let address = self.address(id)?;
                let connected = self.connect_name(&address, Some(id), resolver, deadline, false);
                match connected.await {
                    Ok(connected) => self.question(&connected, deadline).await,
                    Err(error) => Err(ProbeError::Connect(error)),
                }
            }
        })
    }

    /// Asks for ApiVersions.
    async fn question(&self, connected: &Connected, deadline: Instant) -> Result<(), ProbeError> {
        let no_answer = |why: String| ProbeError::NoAnswer {
            address: connected.address.to_string(),
            why,
        };
        let stream = &connected.stream;
        match timeout_at(deadline, ask::versions(stream)).await {
            Err(_) => Err(no_answer("did not answer in time".into())),
            Ok(Err(AskError::Closed)) => Err(no_answer(
                "closed the connection instead of answering".into(),
            )),
            Ok(Err(error)) => Err(no_answer(error.to_string())),
            Ok(Ok(())) => Ok(()),
        }
    }

    /// Learns where the brokers are, as far as that is to be learned, and not known or not true any more.
    async fn learn_from(&self, connected: &Connected, deadline: Instant) {
        let is_down = |id| self.health.of(Route::Node(id)).state == State::Down;
        let is_wanted = self.nodes.iter().any(|(&id, address)| {
            *address == NodeAddress::Learned && (self.address(id).is_none() || is_down(id))
        });
        if !is_wanted || self.keeps_to_itself.load(Ordering::Relaxed) {
            return;
        }
        match timeout_at(deadline, ask::brokers(&connected.stream)).await {
            Ok(Ok(brokers)) => {
                self.learn(brokers.iter().map(|b| (b.node_id, b.host.as_str(), b.port)));
            }
            // A broker that wants SASL first closes, and logs a failed authentication: it is not asked again.
            Ok(Err(AskError::Closed)) => self.keeps_to_itself.store(true, Ordering::Relaxed),
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

impl From<&ConnectError> for Failure {
    fn from(error: &ConnectError) -> Self {
        use ConnectError::{CannotLearn, UnknownNode, Unresolved};
        Failure {
            reason: error.reason(),
            message: error.to_string(),
            absent: matches!(
                error,
                Unresolved { .. } | UnknownNode { .. } | CannotLearn { .. }
            ),
        }
    }
}

impl From<&ProbeError> for Failure {
    fn from(error: &ProbeError) -> Self {
        match error {
            ProbeError::Connect(error) => error.into(),
            ProbeError::NoAnswer { .. } => Failure {
                reason: error.reason(),
                message: error.to_string(),
                absent: false,
            },
        }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeError::Connect(error) => error.fmt(f),
            ProbeError::NoAnswer { address, why } => write!(
                f,
                "{address} accepts connections, but {why}; check that this is a Kafka listener, and one that speaks what [upstream_tls] says"
            ),
        }
    }
}
