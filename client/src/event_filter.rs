//! Which events a caller wants.

use crate::wire::EventFilter;
use e2l_ledger::Member;
use e2l_ledger::event::{Event, EventKind};

/// Whether an event passes: every field that is set must match.
pub(crate) fn passes(filter: &EventFilter, event: &Event, sender: &Member) -> bool {
    let attribute = |name: &str| event.attributes.get(name).map(String::as_str);
    let unset_or = |wanted: &str, matches: &dyn Fn(&str) -> bool| wanted.is_empty() || matches(wanted);
    unset_or(&filter.r#type, &|wanted| event.kind.as_str() == wanted)
        && unset_or(&filter.action, &|wanted| action_matches(&event.action, wanted))
        && unset_or(&filter.container, &|wanted| {
            event.kind == EventKind::Container && names(event, attribute("name"), wanted)
        })
        && unset_or(&filter.service, &|wanted| match event.kind {
            EventKind::Service => names(event, attribute("name"), wanted),
            _ => {
                attribute("com.docker.swarm.service.name") == Some(wanted)
                    || attribute("com.docker.swarm.service.id").is_some_and(|id| id.starts_with(wanted))
            }
        })
        && unset_or(&filter.image, &|wanted| attribute("image") == Some(wanted))
        && unset_or(&filter.node, &|wanted| {
            attribute("com.docker.swarm.node.id").is_some_and(|id| id.starts_with(wanted))
                || sender.name == wanted
        })
        && unset_or(&filter.collector, &|wanted| {
            sender.name == wanted || wanted.split_once('/') == Some((&sender.actor, &sender.name))
        })
        && (filter.since_nano == 0 || event.time_nano >= filter.since_nano)
        && (filter.until_nano == 0 || event.time_nano <= filter.until_nano)
}

/// `exec_create` matches `exec_create: ...`, `health_status` matches `health_status: healthy`.
fn action_matches(action: &str, wanted: &str) -> bool {
    action == wanted
        || action
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with(':'))
}

/// Ids match by prefix, names in full.
fn names(event: &Event, name: Option<&str>, wanted: &str) -> bool {
    event.actor_id.starts_with(wanted) || name == Some(wanted)
}
