//! The demo while it runs: events as they become final, and what happens to the processes.

use crate::demo::narrator::Narrator;
use crate::demo::start::Started;
use crate::demo::watch::watch;
use crate::error::{CliError, CliResult};
use crate::event_sink::EventSink;
use crate::event_view::{EventView, Lines};
use crate::output::Terminal;
use crate::session::Session;
use e2l_client::{EventRecord, wire};
use futures::StreamExt;
use std::io::Stdout;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch as flag};

/// After a stream of events was lost with all peers.
const RETRY: Duration = Duration::from_secs(1);

/// Turns true when it is time to stop.
#[derive(Clone)]
pub struct StopSignal(flag::Receiver<bool>);

impl StopSignal {
    /// Listens for Ctrl-C, SIGTERM and SIGHUP, and for the end of `duration`, counted from now.
    ///
    /// # Errors
    /// The signals cannot be caught.
    pub fn new(duration: Option<Duration>) -> CliResult<Self> {
        let catch = |kind| {
            signal(kind)
                .map_err(|error| CliError::usage(format!("cannot catch signals: {error}"), "see `ulimit -a`"))
        };
        let (mut interrupt, mut terminate, mut hangup) = (
            catch(SignalKind::interrupt())?,
            catch(SignalKind::terminate())?,
            catch(SignalKind::hangup())?,
        );
        let (sender, receiver) = flag::channel(false);
        tokio::spawn(async move {
            let end = async {
                match duration {
                    Some(duration) => tokio::time::sleep(duration).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
                () = end => {}
            }
            sender.send_replace(true);
            // The signals stay caught: a second Ctrl-C must not leave processes behind.
            std::future::pending::<()>().await;
        });
        Ok(Self(receiver))
    }

    /// Whether it has come.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for it.
    pub async fn wait(&self) {
        // Its sender lives as long as the runtime.
        let _ = self.0.clone().wait_for(|stop| *stop).await;
    }
}

/// Shows events and tells what happens, until it is time to stop.
///
/// # Errors
/// Standard output cannot be written.
pub async fn show(started: &mut Started, stop: &StopSignal) -> CliResult<()> {
    let session = &started.session;
    let terminal = Terminal::stdout();
    let view = EventView::new(Lines::Live, session.voters(), terminal);
    let mut sink = EventSink::new(std::io::stdout(), session.format(), view, terminal, true);
    sink.flush()?;
    let mut events = follow(session.clone(), started.status.final_height + 1);
    let mut sights = watch(session.client().clone());
    let leader = Some(started.status.leader.clone()).filter(|leader| !leader.is_empty());
    let mut narrator = Narrator::new(Terminal::stderr(), leader);
    loop {
        tokio::select! {
            () = stop.wait() => return Ok(()),
            Some(records) = events.recv() => print(&mut sink, &records)?,
            happened = started.fleet.next() => {
                eprintln!("{}", narrator.process(&happened, &started.fleet));
            }
            Ok(()) = sights.changed() => {
                let sight = sights.borrow_and_update().clone();
                for line in narrator.sight(&sight) {
                    eprintln!("{line}");
                }
            }
        }
    }
}

fn print(sink: &mut EventSink<Stdout>, records: &[EventRecord]) -> CliResult<()> {
    for record in records {
        sink.push(record)?;
    }
    sink.flush()
}

/// Events from a height on. Goes on at other peers when one is lost, and waits while all are.
fn follow(session: Session, from_height: u64) -> mpsc::Receiver<Vec<EventRecord>> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut next = from_height;
        while let Err(error) = forward(&session, &mut next, &sender).await {
            tracing::info!(%error, "lost the stream of events");
            tokio::time::sleep(RETRY).await;
        }
    });
    receiver
}

/// Returns well when nobody listens any more.
async fn forward(
    session: &Session,
    next: &mut u64,
    sender: &mpsc::Sender<Vec<EventRecord>>,
) -> CliResult<()> {
    let request = wire::EventsRequest {
        from_height: *next,
        follow: true,
        ..wire::EventsRequest::default()
    };
    let mut stream = session.events(request, true).await?;
    while let Some(reply) = stream.next().await {
        let reply = reply?;
        let records: Result<Vec<_>, _> = reply.events.into_iter().map(EventRecord::try_from).collect();
        let records =
            records.map_err(|error| CliError::usage(error, "run the release of e2l that the peer runs"))?;
        if !records.is_empty() && sender.send(records).await.is_err() {
            return Ok(());
        }
        *next = (*next).max(reply.as_of_height + 1);
    }
    Err(CliError::usage(
        "the stream of events ended",
        "see the peer's log",
    ))
}
