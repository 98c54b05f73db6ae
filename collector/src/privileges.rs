//! Gives root's powers up before anything is opened.

use crate::source::SourceSpec;
use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, setgid, setgroups, setuid};
use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Docker's usual socket.
const DOCKER: &str = "/var/run/docker.sock";

/// Why a collector does not become the user that its configuration names.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Nobody is called so.
    #[error(
        "`user` is `{0}`, and this host has no such user: `adduser --system {0}`, or correct the configuration"
    )]
    NoUser(String),
    /// Only root becomes another.
    #[error(
        "`user` is `{name}`, and this program was started as user {found}, who cannot become another: start it as \
         `{name}`, or as root"
    )]
    NotRoot {
        /// The configured one.
        name: String,
        /// Who runs it.
        found: Uid,
    },
    /// The system refuses.
    #[error("this program cannot become user `{name}`: {what}: {source}")]
    System {
        /// The configured one.
        name: String,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: Errno,
    },
}

/// Becomes a user for good, in the groups of that user and in that of the engine's socket; does nothing if it is that user
/// already. Call it before there are other threads, and before keys and files are opened.
///
/// # Errors
/// There is no such user, or this program is not root's.
pub fn become_user(name: &str, source: &SourceSpec) -> Result<(), PrivilegeError> {
    let failed = |what| {
        move |source| PrivilegeError::System {
            name: name.to_owned(),
            what,
            source,
        }
    };
    let found = User::from_name(name).map_err(failed("it cannot be looked up"))?;
    let user = found.ok_or_else(|| PrivilegeError::NoUser(name.to_owned()))?;
    let me = geteuid();
    if me == user.uid {
        return Ok(());
    }
    if !me.is_root() {
        return Err(PrivilegeError::NotRoot {
            name: name.to_owned(),
            found: me,
        });
    }
    let c_name = CString::new(name).map_err(|_| PrivilegeError::NoUser(name.to_owned()))?;
    let mut groups = getgrouplist(&c_name, user.gid).map_err(failed("its groups"))?;
    groups.extend(socket_group(source).filter(|group| !groups.contains(group)));
    setgroups(&groups).map_err(failed("its groups"))?;
    setgid(user.gid).map_err(failed("its group"))?;
    setuid(user.uid).map_err(failed("itself"))?;
    set_no_new_privs().map_err(failed("no new privileges"))
}

/// Whether this program runs as root.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The group that may open the engine's socket, unless that is root's.
fn socket_group(source: &SourceSpec) -> Option<Gid> {
    let socket = match source {
        SourceSpec::Docker => Path::new(DOCKER),
        SourceSpec::Socket(socket)
        | SourceSpec::Podman(Some(socket))
        | SourceSpec::Containerd(Some(socket)) => socket,
        _ => return None,
    };
    let group = std::fs::metadata(socket).ok()?.gid();
    (group != 0).then(|| Gid::from_raw(group))
}
