//! A note beside a database that nothing of it is to be used again. It is a file of its own, because a database whose
//! files are damaged may take no more writes; it goes with the directory when that is set aside.

use crate::error::StoreError;
use std::fs::File;
use std::io::Write;
use std::path::Path;

const NOTE: &str = "condemned";

/// Notes why the database in `dir` must be replaced; durable on return.
pub(crate) fn condemn(dir: &Path, why: &str) -> Result<(), StoreError> {
    let write = || {
        let mut file = File::create(dir.join(NOTE))?;
        file.write_all(why.as_bytes())?;
        file.sync_all()?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|error| StoreError::Open {
        dir: dir.to_owned(),
        why: format!("that it is damaged cannot be noted: {error}"),
    })
}

/// Why the database in `dir` must be set aside and not be opened, if it must.
pub fn condemned(dir: &Path) -> Option<String> {
    if let Ok(why) = std::fs::read(dir.join(NOTE)) {
        return Some(String::from_utf8_lossy(&why).into_owned());
    }
    lacks_current(dir).then(|| "its data is here, and the file that names it (CURRENT) is not".to_owned())
}

/// RocksDB takes a directory without this file for a new one, and removes what is in it.
fn lacks_current(dir: &Path) -> bool {
    let data = |path: std::path::PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "sst" || extension == "log")
    };
    let mut entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    !dir.join("CURRENT").exists() && entries.any(|entry| data(entry.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_and_data_without_a_list_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(condemned(&dir.path().join("none")), None);
        assert_eq!(condemned(dir.path()), None, "an empty directory is a new one");
        std::fs::write(dir.path().join("000004.log"), b"data").unwrap();
        assert!(condemned(dir.path()).unwrap().contains("CURRENT"));
        std::fs::write(dir.path().join("CURRENT"), b"MANIFEST-000005").unwrap();
        assert_eq!(condemned(dir.path()), None);
        condemn(dir.path(), "a page is damaged").unwrap();
        assert_eq!(condemned(dir.path()).as_deref(), Some("a page is damaged"));
    }
}
