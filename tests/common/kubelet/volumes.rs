//! What is in the volumes of a pod: files made of objects, of the pod itself, and of what the API server grants it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::directory::File;
use super::process::User;
use super::spec::{Projected, Source, Volume};
use super::{Objects, Sandbox};

type Files = BTreeMap<String, File>;

/// The files of a volume; `None` where the kubelet writes none into it.
pub fn files(
    volume: &Volume,
    objects: &Objects,
    sandbox: &Sandbox,
    user: &User,
) -> Result<Option<Files>, String> {
    let name = &volume.name;
    let files = match volume {
        Volume {
            config_map: Some(map),
            secret: None,
            empty_dir: None,
            projected: None,
            ..
        } => {
            let data = data_of(&format!("ConfigMap/{}", map.name), objects)?;
            Some(with_mode(data, map.default_mode))
        }
        Volume {
            config_map: None,
            secret: Some(secret),
            empty_dir: None,
            projected: None,
            ..
        } => {
            let data = data_of(&format!("Secret/{}", secret.secret_name), objects)?;
            Some(with_mode(data, secret.default_mode))
        }
        Volume {
            config_map: None,
            secret: None,
            empty_dir: Some(_),
            projected: None,
            ..
        } => None,
        Volume {
            config_map: None,
            secret: None,
            empty_dir: None,
            projected: Some(projected),
            ..
        } => Some(projected_files(projected, objects, sandbox, user)?),
        _ => return Err(format!("volume {name} has not one source")),
    };
    Ok(files)
}

fn projected_files(
    projected: &Projected,
    objects: &Objects,
    sandbox: &Sandbox,
    user: &User,
) -> Result<Files, String> {
    let mut files = Files::new();
    let file = |bytes: Vec<u8>| File {
        bytes,
        mode: projected.default_mode,
        owner: None,
    };
    for source in &projected.sources {
        match source {
            Source::ServiceAccountToken { path, .. } => {
                // pkg/volume/projected/projected.go: for who runs the containers, where that is one user, and never for others.
                let token = File {
                    bytes: sandbox.token.clone().into_bytes(),
                    mode: if user.uid.is_some() || user.fs_group.is_some() {
                        0o600
                    } else {
                        projected.default_mode
                    },
                    owner: user.uid,
                };
                files.insert(path.clone(), token);
            }
            Source::ConfigMap { name, items } => {
                let data = data_of(&format!("ConfigMap/{name}"), objects)?;
                for item in items {
                    let bytes = data.get(&item.key);
                    let bytes = bytes.ok_or(format!("ConfigMap/{name} has no {}", item.key))?;
                    files.insert(item.path.clone(), file(bytes.clone()));
                }
            }
            Source::DownwardApi { items } => {
                for item in items {
                    let field = sandbox.field(&item.field_ref.field_path)?;
                    files.insert(item.path.clone(), file(field.into_bytes()));
                }
            }
        }
    }
    Ok(files)
}

/// What is in a ConfigMap or in a Secret, by its keys.
pub fn data_of(id: &str, objects: &Objects) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let object = objects.get(id).ok_or(format!("there is no {id}"))?;
    let data = object["data"].as_object();
    let data = data.ok_or(format!("{id} has no data"))?.iter();
    let bytes = |value: &Value| {
        let text = value.as_str()?;
        match id.starts_with("Secret/") {
            true => STANDARD.decode(text).ok(),
            false => Some(text.as_bytes().to_vec()),
        }
    };
    data.map(|(key, value)| {
        let bytes = bytes(value).ok_or(format!("what is {key} of {id}?"))?;
        Ok((key.clone(), bytes))
    })
    .collect()
}

fn with_mode(data: BTreeMap<String, Vec<u8>>, mode: u32) -> Files {
    let files = data.into_iter().map(|(name, bytes)| {
        let file = File {
            bytes,
            mode,
            owner: None,
        };
        (name, file)
    });
    files.collect()
}
