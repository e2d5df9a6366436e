//! Tells when files have changed, and are not just being changed.
//!
//! Files are looked at every second, by what stat(2) says of them behind all symbolic links. That works on every file
//! system, also where changes are made elsewhere (NFS), and sees what Kubernetes does: `tls.crt` is a link to `..data/tls.crt`
//! for ever, and `..data` becomes a link to another directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::transport::tls::files::Files;

/// How often files are looked at.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// A file that changes all the time is read after so many looks all the same.
const MOST_CHANGES: u32 = 10;

/// What a file looked like; `None` where it could not be looked at.
type Look = Option<Stat>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    device: u64,
    inode: u64,
    bytes: u64,
    /// In seconds and nanoseconds.
    modified: (i64, i64),
    /// The same; this one cannot be set back, as `cp -p` does with the other.
    changed: (i64, i64),
}

/// What files looked like at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Looks(BTreeMap<PathBuf, Look>);

impl Looks {
    /// Looks at these files. Blocks.
    pub(super) fn at<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        let files = files.into_iter();
        Looks(files.map(|file| (file.clone(), look(file))).collect())
    }

    /// These, and those of `more` for files that are not among them.
    pub(super) fn or(mut self, more: Looks) -> Self {
        for (file, look) in more.0 {
            self.0.entry(file).or_insert(look);
        }
        self
    }

    /// Whether a file looks otherwise than it did; one that was not looked at then does not count.
    pub(super) fn differ(&self, before: &Looks, file: &Path) -> bool {
        let looks = before.0.get(file).zip(self.0.get(file));
        looks.is_some_and(|(before, now)| before != now)
    }
}

fn look(file: &Path) -> Look {
    let stat = fs::metadata(file).ok()?;
    Some(Stat {
        device: stat.dev(),
        inode: stat.ino(),
        bytes: stat.size(),
        modified: (stat.mtime(), stat.mtime_nsec()),
        changed: (stat.ctime(), stat.ctime_nsec()),
    })
}

/// The files that a configuration names.
pub(super) fn named(config: &Config) -> BTreeSet<PathBuf> {
    config.clusters.values().flat_map(Files::paths).collect()
}

/// The files that are watched, and what they looked like when they were read.
#[derive(Debug, Default)]
pub(super) struct Watch {
    read: Looks,
    /// What they look like since then, where that is otherwise.
    changing: Option<Looks>,
    changes: u32,
}

impl Watch {
    /// Of the files that a configuration names, which are to be read only after this.
    pub(super) fn of(config: &Config) -> Self {
        Watch::since(Looks::at(&named(config)))
    }

    /// Of files that were read just after they looked like this.
    pub(super) fn since(read: Looks) -> Self {
        Watch {
            read,
            changing: None,
            changes: 0,
        }
    }

    /// All that are watched.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.read.0.keys().cloned().collect()
    }

    /// What they looked like when they were read.
    pub(super) fn read(&self) -> &Looks {
        &self.read
    }

    /// Takes a look at all. True when they have changed and should be read: they look as they did the last time, so nobody
    /// is writing a key whose certificate is there already.
    pub(super) fn look(&mut self, now: Looks) -> bool {
        if now == self.read {
            // It rests.
            (self.changing, self.changes) = (None, 0);
            return false;
        }
        if self.changing.as_ref() == Some(&now) || self.changes == MOST_CHANGES {
            return true;
        }
        self.changes += 1;
        self.changing = Some(now);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn directory() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tls.crt");
        fs::write(&file, "one").unwrap();
        (directory, file)
    }

    #[test]
    fn a_change_is_told_once_it_is_quiet() {
        let (_directory, file) = directory();
        let look = || Looks::at([&file]);
        let mut watch = Watch::since(look());
        assert!(!watch.look(look()));
        fs::write(&file, "more").unwrap();
        assert!(!watch.look(look()));
        fs::write(&file, "still more").unwrap();
        assert!(!watch.look(look()));
        assert!(watch.look(look()));
        let mut watch = Watch::since(look());
        assert!(!watch.look(look()) && !watch.look(look()));
    }

    #[test]
    fn a_file_that_never_rests_is_read_all_the_same() {
        let (_directory, file) = directory();
        let mut watch = Watch::since(Looks::at([&file]));
        let mut text = String::new();
        let mut look = || {
            text.push('x');
            fs::write(&file, &text).unwrap();
            watch.look(Looks::at([&file]))
        };
        let looks = (0..100).position(|_| look());
        assert_eq!(looks, Some(MOST_CHANGES as usize));
    }

    #[test]
    fn a_file_that_is_not_there_for_a_moment_has_not_changed() {
        let (directory, file) = directory();
        let aside = directory.path().join("aside");
        fs::hard_link(&file, &aside).unwrap();
        let here = Looks::at([&file]);
        let mut watch = Watch::since(here.clone());
        fs::rename(&file, directory.path().join("elsewhere")).unwrap();
        assert!(!watch.look(Looks::at([&file])));
        assert!(!watch.look(here));
        assert_eq!(watch.changing, None);
    }

    #[test]
    fn a_file_that_came_back_as_it_was_many_times_is_still_waited_for() {
        let (_directory, file) = directory();
        let read = Looks::at([&file]);
        let mut watch = Watch::since(read.clone());
        let absent = Looks(BTreeMap::from([(file.clone(), None)]));
        for _ in 0..=2 * MOST_CHANGES {
            assert!(!watch.look(absent.clone()), "it may be half replaced");
            assert!(!watch.look(read.clone()));
        }
    }

    #[test]
    fn a_link_above_the_file_that_leads_elsewhere_is_a_change() {
        let (directory, _) = directory();
        let path = |name: &str| directory.path().join(name);
        for name in ["..1", "..2"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("tls.key"), "same").unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/tls.key", path("tls.key")).unwrap();
        let before = Looks::at([&path("tls.key")]);
        symlink("..2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        let after = Looks::at([&path("tls.key")]);
        assert!(after.differ(&before, &path("tls.key")));
    }

    #[test]
    fn a_file_that_claims_to_be_as_old_as_before_has_changed() {
        let (directory, file) = directory();
        let before = Looks::at([&file]);
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        let other = directory.path().join("other");
        fs::write(&other, "two").unwrap();
        fs::File::open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &file).unwrap();
        assert!(Looks::at([&file]).differ(&before, &file));
    }
}
