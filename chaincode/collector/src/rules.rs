//! What must not reach an immutable ledger. Collectors have this file compiled in too, for as long as no component is in
//! force.

/// What stands in place of a command line.
const REDACTED: &str = "[redacted]";

/// Cuts the command line out of an `exec_*` action: it carries secrets. Every other action is kept byte for
/// byte, `health_status: healthy` too.
pub fn redact_action(action: &str) -> String {
    match action.split_once(':') {
        Some((verb, _)) if verb.starts_with("exec_") => format!("{verb}: {REDACTED}"),
        _ => action.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::redact_action;

    #[test]
    fn command_lines_go_and_everything_else_stays() {
        for (action, expected) in [
            ("exec_create: mysql -psecret", "exec_create: [redacted]"),
            ("exec_start: sh -c 'a: b'\nc", "exec_start: [redacted]"),
            ("exec_create:x", "exec_create: [redacted]"),
            ("exec_die", "exec_die"),
            ("health_status: healthy", "health_status: healthy"),
            ("start", "start"),
            (" exec_create", " exec_create"),
        ] {
            assert_eq!(redact_action(action), expected);
        }
    }
}
