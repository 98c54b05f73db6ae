//! `e2l events`: the ledger as a stream.

use crate::error::{CliError, CliResult};
use crate::event_sink::EventSink;
use crate::event_view::{EventView, Lines};
use crate::output::{Terminal, parse_moment, stamp};
use crate::session::Session;
use crate::swarm_check::SwarmCheck;
use crate::unix_now_nano;
use e2l_client::{EventRecord, wire};
use futures::StreamExt;
use std::io::{BufWriter, Write};

/// Which events.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct EventsArgs {
    /// Go on with new events as they become final
    #[arg(short, long)]
    pub follow: bool,
    /// Kind of object
    #[arg(long, value_name = "TYPE", value_parser = ["container", "service", "collector"])]
    pub r#type: Option<String>,
    /// What happened: start, die, update, ...
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Id, unique prefix of an id, or name of a container
    #[arg(long, value_name = "ID|NAME")]
    pub container: Option<String>,
    /// Id, unique prefix of an id, or name of a service
    #[arg(long, value_name = "ID|NAME")]
    pub service: Option<String>,
    /// Image of the container or service
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Swarm node
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    /// Collector, as `actor/name` or `name`
    #[arg(long, value_name = "NAME")]
    pub collector: Option<String>,
    /// Also those that are not in force, such as a witness's report: whatever their validation code
    #[arg(long)]
    pub any_code: bool,
    /// Not before: RFC 3339, a date, seconds since 1970, or an age such as 10m or 2h (engine's time)
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub since: Option<i64>,
    /// Not after: the same forms
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub until: Option<i64>,
    /// The newest N only; with --follow, the newest N and what follows (0: only what follows)
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<u64>,
    /// Take the peer's word, instead of fetching and checking every block against the genesis
    #[arg(long)]
    pub no_verify: bool,
}

fn moment(text: &str) -> Result<i64, String> {
    parse_moment(text, unix_now_nano())
}

impl EventsArgs {
    /// The request, apart from the height at which it starts.
    pub fn request(&self) -> wire::EventsRequest {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        wire::EventsRequest {
            from_height: 0,
            follow: self.follow,
            filter: Some(wire::EventFilter {
                r#type: text(&self.r#type),
                action: text(&self.action),
                container: text(&self.container),
                service: text(&self.service),
                image: text(&self.image),
                node: text(&self.node),
                collector: text(&self.collector),
                since_nano: self.since.unwrap_or_default(),
                until_nano: self.until.unwrap_or_default(),
                any_code: self.any_code,
            }),
            limit: self.limit.unwrap_or_default(),
            newest: self.limit.is_some_and(|limit| limit > 0),
        }
    }

    fn check(&self) -> CliResult<()> {
        match (self.since, self.until) {
            (Some(since), Some(until)) if since > until => Err(CliError::usage(
                format!("--since {} is after --until {}", stamp(since), stamp(until)),
                "swap them",
            )),
            _ => Ok(()),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// No peer answers, or the request makes no sense.
pub async fn run(session: &Session, args: &EventsArgs) -> CliResult<()> {
    args.check()?;
    let mut request = args.request();
    if args.limit == Some(0) {
        if !args.follow {
            return Err(CliError::usage(
                "--limit 0 asks for nothing",
                "leave it out, or add --follow",
            ));
        }
        request.from_height = session.status().await?.final_height + 1;
    }
    let terminal = Terminal::stdout();
    let view = EventView::new(Lines::Ledger, session.voters(), terminal);
    let out = BufWriter::new(std::io::stdout().lock());
    let mut sink = EventSink::new(out, session.format(), view, terminal, args.follow);
    let as_of = pump(session, request, args, &mut sink).await?;
    let count = sink.finish()?;
    if let Some((height, time)) = as_of {
        let events = if count == 1 { "event" } else { "events" };
        let proven = if args.no_verify {
            "; not verified"
        } else {
            "; verified"
        };
        session.note(&format!(
            "{count} {events}, as of height {height}, {} UTC{proven}",
            stamp(time)
        ));
    }
    Ok(())
}

/// Writes what comes. Returns the height and time up to which the ledger was looked at.
async fn pump<W: Write>(
    session: &Session,
    request: wire::EventsRequest,
    args: &EventsArgs,
    sink: &mut EventSink<W>,
) -> CliResult<Option<(u64, i64)>> {
    let follow = args.follow;
    let mut check = SwarmCheck::new(session, !args.no_verify);
    let mut stream = session.events(request, !args.no_verify).await?;
    let mut as_of = None;
    let mut caught_up = false;
    while let Some(reply) = stream.next().await {
        let reply = reply?;
        for event in reply.events {
            let mut record = EventRecord::try_from(event)
                .map_err(|error| CliError::usage(error, "run the release of e2l that the peer runs"))?;
            check.mark(&mut record).await?;
            sink.push(&record)?;
        }
        as_of = Some((reply.as_of_height, reply.as_of_time_nano));
        if follow && (reply.caught_up || caught_up) {
            sink.flush()?;
            if !caught_up {
                session.note(&format!(
                    "as of height {}, {} UTC; following (Ctrl-C ends it)",
                    reply.as_of_height,
                    stamp(reply.as_of_time_nano)
                ));
            }
            caught_up = true;
        }
    }
    Ok(as_of)
}
