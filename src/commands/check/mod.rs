//! `check`: looks at a cluster from where its user stands, as a client would, and says what is wrong and what to do.
//!
//! - [`arguments`]: what to look at, and how to connect.
//! - [`look`]: the whole look. The bootstrap address first, then every broker that it names, at once and independently.
//! - [`place`]: one address on its way: [`resolve`], [`dial`], [`secure`], [`talk`]. [`guess`]: why one failed.
//! - [`cluster`]: what answers say about brokers and partitions; [`compare`]: whether they agree.
//! - [`identity`]: whether a broker is the one that the metadata says.
//! - [`codes`]: everything that can be found; [`finding`]: one that was; [`report`]: all of it as a table or as JSON.
//!
//! What is not at the other end of an address must not stop the look at the next: every step has a time limit, and every
//! answer a bound.

mod arguments;
mod cluster;
mod codes;
mod compare;
mod dial;
mod finding;
mod guess;
mod hosts;
mod identity;
mod look;
mod node;
mod place;
mod read;
mod report;
mod resolve;
mod secure;
mod talk;
mod witness;

pub(super) use arguments::Check;

use self::arguments::Output;
use super::{Failure, print};
use crate::limits::raise_fd_limit;

/// What `--help` says of it.
pub(super) const ABOUT: &str = "\
Look at a cluster from here, as a client would, and say what is wrong and what to do

It connects to the address, asks for the brokers, and then tries each of them where it is advertised: does the name \
resolve from here, does the port accept, does TLS succeed and does the certificate have the name, does a broker answer, is \
the user let in, and is it the broker that the metadata says. It works with any Kafka, also without Portolan, and changes \
nothing: it creates no topic and reads no records.

Exit codes: 0 all is well (there may be warnings), 1 faults were found, 2 the cluster could not be looked at, since the \
address itself does not lead to a broker that answers.";

pub(super) fn check(check: &Check) -> Result<(), Failure> {
    let settings = check.settings().map_err(Failure::Usage)?;
    raise_fd_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Usage(format!("cannot start: {error}")))?;
    let look = runtime.block_on(look::look(&check.server, settings));
    // The system's resolver may still be waiting for an answer that nobody needs any more.
    runtime.shutdown_background();
    print(&match check.output {
        Output::Table => report::table(&look),
        Output::Json => report::json(&look).map_err(Failure::Failed)?,
    })?;
    match (look.cluster.is_some(), look.ok()) {
        (false, _) => Err(Failure::LoggedNothingSeen),
        (true, false) => Err(Failure::Logged),
        (true, true) => Ok(()),
    }
}
