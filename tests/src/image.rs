//! An image that needs no registry.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A static busybox, if one is installed.
pub(crate) fn busybox() -> Option<&'static Path> {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    places.into_iter().find(|path| path.is_file())
}

/// Writes an archive for `docker import` into a directory: `/bin/busybox`, `/bin/sh` and `/bin/sleep`.
///
/// # Panics
/// busybox-static is not installed.
pub(crate) fn image_archive(directory: &Path) -> PathBuf {
    let busybox = busybox().expect("busybox-static is installed: run `make setup`");
    std::fs::create_dir(directory.join("bin")).expect("a directory");
    for name in ["busybox", "sh", "sleep"] {
        std::fs::copy(busybox, directory.join("bin").join(name)).expect("busybox is copied");
    }
    let archive = directory.join("image.tar");
    let packed = Command::new("tar")
        .arg("-C")
        .arg(directory)
        .args(["-cf"])
        .arg(&archive)
        .arg("bin")
        .status()
        .expect("tar runs");
    assert!(packed.success());
    archive
}
