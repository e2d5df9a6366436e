//! A volume's directory on the node, whose files are replaced all at once: kubelet's atomic writer (`pkg/volume/util/atomic_writer.go`)
//! and its work on owners (`pkg/volume/volume_linux.go`).

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// A file to be: what is in it, and who may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub bytes: Vec<u8>,
    pub mode: u32,
    /// Whose it is; `None` is the kubelet's own user.
    pub owner: Option<u32>,
}

/// Each file is a link to `..data/FILE` for ever, and `..data` one to a directory. The group of all is `fsGroup`, where there is one.
pub struct Directory {
    directory: TempDir,
    group: Option<u32>,
    generation: AtomicUsize,
}

/// What a group is given in volumes that the kubelet writes.
const READ: u32 = 0o440;

/// The same of directories: to look for names in them, and to have their group for what is made in them.
const SEARCH_AND_SET_GROUP: u32 = 0o2110;

impl Directory {
    /// An empty one, which anybody may read.
    pub fn new(group: Option<u32>) -> Self {
        let directory = Directory {
            directory: tempfile::tempdir().expect("a temporary directory"),
            group,
            generation: AtomicUsize::new(0),
        };
        set_mode(directory.path(), 0o777);
        directory.give_to_group(directory.path());
        directory
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts these files in the place of those that there were. Their owners are right before anybody sees them; older kubelets see to
    /// that a moment later.
    pub fn write(&self, files: &BTreeMap<String, File>) {
        let before = self.generation.fetch_add(1, Ordering::SeqCst);
        let now = format!("..{}", before + 1);
        let data = self.at(&now);
        fs::create_dir(&data).expect("it is new");
        set_mode(&data, 0o755);
        for (name, file) in files {
            let path = data.join(name);
            fs::write(&path, &file.bytes).expect("it is ours");
            set_mode(&path, file.mode);
            if file.owner.is_some() {
                chown(&path, file.owner, None).expect("we may give files away");
            }
            self.give_to_group(&path);
        }
        self.give_to_group(&data);
        symlink(&now, self.at("..data_tmp")).expect("it is new");
        fs::rename(self.at("..data_tmp"), self.at("..data")).expect("it is ours");
        self.link(files);
        // The old ones go at once. Before the first there are none.
        let _ = fs::remove_dir_all(self.at(&format!("..{before}")));
    }

    /// Makes the links that lead to files, and takes away those that lead nowhere any more.
    fn link(&self, files: &BTreeMap<String, File>) {
        for entry in fs::read_dir(self.path()).expect("it is ours") {
            let name = entry.expect("an entry").file_name();
            let name = name.to_str().expect("a name of ours");
            if !name.starts_with("..") && !files.contains_key(name) {
                fs::remove_file(self.at(name)).expect("it is ours");
            }
        }
        for name in files.keys() {
            let link = self.at(name);
            if fs::read_link(&link).is_err() {
                symlink(Path::new("..data").join(name), &link).expect("it is new");
                self.give_to_group(&link);
            }
        }
    }

    fn give_to_group(&self, path: &Path) {
        if self.group.is_none() {
            return;
        }
        lchown(path, None, self.group).expect("we may give files away");
        let kind = fs::symlink_metadata(path).expect("it is there");
        if !kind.is_symlink() {
            let more = if kind.is_dir() {
                READ | SEARCH_AND_SET_GROUP
            } else {
                READ
            };
            set_mode(path, kind.permissions().mode() | more);
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// Whatever the umask is.
fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}
