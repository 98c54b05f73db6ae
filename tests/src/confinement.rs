//! A process with as little as a collector needs.

use crate::engine_host::system;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// `nobody`.
const USER: u32 = 65534;
/// Of all that it sees only `$1` can be written, which is tried in `$3`; then it becomes a user in the socket's group `$2`,
/// for good, and runs the rest.
const SCRIPT: &str = r#"
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
while read -r _ place _; do
    [ "$place" = "$1" ] || mount -o remount,bind,ro "$place" 2>/dev/null || true
done </proc/self/mounts
if touch "$3/probe" 2>/dev/null; then
    echo "$3 can be written" >&2
    exit 1
fi
group=$2
shift 3
exec setpriv --reuid 65534 --regid 65534 --groups "$group" --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"#;

/// A command that becomes the one that it is given, as a user who owns `home` and may open `socket` by its group, on file
/// systems of which only `spool` can be written. Needs root.
///
/// # Panics
/// Owner and permissions of the files cannot be changed.
pub fn confined(home: &Path, spool: &Path, socket: &Path) -> Command {
    std::fs::create_dir_all(spool).expect("a spool");
    give_away(home, socket);
    let group = std::fs::metadata(socket).expect("a socket").gid();
    let mut command = system("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT, "sh"]);
    command.arg(spool).arg(group.to_string()).arg(home);
    command
}

/// Makes `home` that user's, and lets it come there and to the socket. Needs root.
///
/// # Panics
/// Owner and permissions of the files cannot be changed.
pub fn give_away(home: &Path, socket: &Path) {
    own(home);
    // Only directories that tests have made.
    let ours = |path: &&Path| path.starts_with(std::env::temp_dir()) && **path != std::env::temp_dir();
    for path in home.ancestors().chain(socket.ancestors().skip(1)).filter(ours) {
        let mode = std::fs::metadata(path).expect("it is there").permissions().mode();
        if mode & 0o001 == 0 {
            let reachable = PermissionsExt::from_mode(mode | 0o001);
            std::fs::set_permissions(path, reachable).expect("a way there");
        }
    }
}

fn own(path: &Path) {
    chown(path, Some(USER), Some(USER)).expect("an owner");
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a directory").flatten();
        entries.for_each(|entry| own(&entry.path()));
    }
}
