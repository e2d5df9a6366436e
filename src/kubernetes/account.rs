//! Where the API server is and who asks it: in a pod its service account, elsewhere a kubeconfig.
//!
//! What a kubeconfig says may take for ever: a command that waits for somebody to log in, a file on a file system that is gone. So
//! all of it is done on a thread for what blocks, is not waited for longer than for an answer, and is not begun a second time beside
//! the first.

use std::env;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use kube::client::AuthError;
use kube::config::Kubeconfig;
use kube::{Client, Config};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::Failure;

/// By whose account the API server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// A pod's service account.
    Pod,
    /// That of a kubeconfig.
    Kubeconfig,
}

/// What asks the API server.
pub(super) struct Asker {
    pub(super) client: Client,
    /// The namespace that is meant where none is named.
    pub(super) namespace: String,
    pub(super) account: Account,
}

/// Makes them, each with what is in the files then.
#[derive(Default)]
pub(super) struct Askers {
    /// One that took too long. It may be ready yet.
    making: Option<JoinHandle<Result<Asker, Failure>>>,
}

impl Askers {
    /// The next one, if it is ready in time.
    pub(super) async fn next(&mut self, patience: Duration) -> Result<Asker, Failure> {
        let making = self.making.get_or_insert_with(|| spawn_blocking(make));
        let Ok(made) = timeout(patience, making).await else {
            return Err(late(patience));
        };
        self.making = None;
        made.unwrap_or_else(|error| Err(no_account(error.to_string(), ANYWHERE)))
    }
}

/// Reads files, and where a kubeconfig says so runs a command.
fn make() -> Result<Asker, Failure> {
    let account = Account::here()?;
    let unusable = |error: &(dyn Error + 'static)| account.unusable(error);
    let mut config = match account {
        Account::Pod => Config::incluster().map_err(|error| unusable(&error))?,
        Account::Kubeconfig => {
            let read = Kubeconfig::read().and_then(Config::try_from);
            read.map_err(|error| unusable(&error))?
        }
    };
    if let Some(proxy) = &config.proxy_url {
        return Err(needs_proxy(proxy.host().unwrap_or_default()));
    }
    // It would wait without telling anybody.
    config.default_retry = false;
    config.connect_timeout = Some(super::follow::PATIENCE);
    let namespace = config.default_namespace.trim().to_owned();
    let client = Client::try_from(config).map_err(|error| unusable(&error))?;
    Ok(Asker {
        client,
        namespace,
        account,
    })
}

/// What the kubelet puts into a pod, unless it is told not to.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

impl Account {
    /// The one that is meant here. A pod's own comes first: where a pod has a token, that is for this, and a kubeconfig may be there
    /// for something else.
    fn here() -> Result<Self, Failure> {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_pod = is_set("KUBERNETES_SERVICE_HOST");
        if is_pod && Path::new(TOKEN).exists() {
            return Ok(Account::Pod);
        }
        let own = || env::home_dir().is_some_and(|home| home.join(".kube/config").exists());
        if is_set("KUBECONFIG") || own() {
            return Ok(Account::Kubeconfig);
        }
        let problem = match is_pod {
            true => "this pod has no token of a service account",
            false => {
                "this is no pod (KUBERNETES_SERVICE_HOST is not set), and there is no kubeconfig"
            }
        };
        Err(no_account(problem.to_owned(), ANYWHERE))
    }

    /// It cannot be used.
    pub(super) fn unusable(self, error: &(dyn Error + 'static)) -> Failure {
        no_account(told(error), self.remedy())
    }

    /// What to do if it is not good.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Account::Pod => {
                "see that the pod has the token of a service account (automountServiceAccountToken) and that it is good"
            }
            Account::Kubeconfig => {
                "see that kubectl works with this kubeconfig (KUBECONFIG, else ~/.kube/config): its current context is used"
            }
        }
    }

    /// Who it is, in the words of a remedy.
    pub(super) fn who(self) -> &'static str {
        match self {
            Account::Pod => "the pod's service account",
            Account::Kubeconfig => "the user of the kubeconfig",
        }
    }
}

const ANYWHERE: &str = "give the pod the token of a service account (automountServiceAccountToken: true); outside of Kubernetes set \
                        KUBECONFIG";

fn no_account(message: String, remedy: &str) -> Failure {
    Failure {
        reason: Failure::NO_ACCOUNT,
        message,
        remedy: remedy.to_owned(),
    }
}

fn late(patience: Duration) -> Failure {
    no_account(
        format!(
            "what leads to the API server was not ready within {} s: a command of the kubeconfig (exec) that waits, or a file \
             that cannot be read",
            patience.as_secs()
        ),
        "run the command yourself and see what it waits for, such as a log-in; it is used when it is ready, and not started a second \
         time until it has ended",
    )
}

/// Asked directly the API server may not be there, or be another.
fn needs_proxy(host: &str) -> Failure {
    Failure {
        reason: Failure::NEEDS_PROXY,
        message: format!(
            "the kubeconfig (proxy-url) or HTTPS_PROXY leads to the API server by way of the proxy {host}, which Portolan does not \
             speak to"
        ),
        remedy: "start it without HTTPS_PROXY and https_proxy, and take proxy-url out of the kubeconfig, where the API server can be \
                 reached directly"
            .to_owned(),
    }
}

/// An error with all that led to it. What a command wrote that was to tell a token is not told: that may be in it.
pub(super) fn told(error: &(dyn Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<AuthError>() {
            Some(AuthError::AuthExecRun { status, out, .. }) => {
                let said = String::from_utf8_lossy(&out.stderr);
                return format!(
                    "the command of the kubeconfig failed ({status}): {}",
                    said.trim()
                );
            }
            Some(AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_)) => {
                return "what the command of the kubeconfig wrote is no credential".to_owned();
            }
            _ => next = error.source(),
        }
    }
    whole(error)
}

/// Libraries tell only the last part of an error. Some repeat the next in themselves.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}
