//! Which versions a broker has (KIP-35).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;

use super::connection::Connection;
use super::{Error, codes};
use crate::protocol::Malformed;
use crate::protocol::api;
use crate::protocol::cursor::Cursor;

/// The first flexible version of ApiVersions. Brokers without it answer with error 35 in the form of version 0.
const ASKED: i16 = 3;

/// The lowest and highest version of each api key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(BTreeMap<i16, (i16, i16)>);

impl Versions {
    /// Whether the broker has this api.
    pub(super) fn offers(&self, key: i16) -> bool {
        self.0.contains_key(&key)
    }

    /// The newest version that the broker and we know.
    pub(crate) fn newest(&self, key: i16, ours: RangeInclusive<i16>) -> Result<i16, String> {
        let name = api::name(key);
        let Some(&(lowest, highest)) = self.0.get(&key) else {
            return Err(format!("it does not offer {name}"));
        };
        let newest = highest.min(*ours.end());
        match newest >= lowest.max(*ours.start()) {
            true => Ok(newest),
            false => Err(format!(
                "it offers {name} {lowest} to {highest}, and {} to {} are wanted",
                ours.start(),
                ours.end()
            )),
        }
    }
}

/// Asks on a new connection.
pub(super) async fn negotiate(connection: &mut Connection) -> Result<Versions, Error> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("portolan"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    let answer = connection.ask(&request, ASKED).await?;
    let (error, versions) = read(&answer, ASKED).map_err(|m| connection.malformed(m))?;
    let (error, versions) = match error {
        codes::UNSUPPORTED_VERSION => {
            let answer = connection.ask(&ApiVersionsRequest::default(), 0).await?;
            read(&answer, 0).map_err(|m| connection.malformed(m))?
        }
        _ => (error, versions),
    };
    match error {
        codes::NONE => Ok(versions),
        error => Err(connection.refused("ApiVersions", error, "")),
    }
}

fn read(body: &[u8], version: i16) -> Result<(i16, Versions), Malformed> {
    let mut cursor = Cursor::new(body);
    let error = cursor.i16("error_code")?;
    let mut versions = BTreeMap::new();
    if error == codes::NONE {
        let flexible = version >= 3;
        for _ in 0..cursor.array_length(flexible, "api_keys")? {
            let key = cursor.i16("api_key")?;
            let lowest = cursor.i16("min_version")?;
            let highest = cursor.i16("max_version")?;
            if flexible {
                cursor.tags("api_keys")?;
            }
            versions.insert(key, (lowest, highest));
        }
    }
    Ok((error, Versions(versions)))
}
