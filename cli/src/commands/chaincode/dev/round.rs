//! One round: build, test, deploy.

use super::deployment::deploy;
use super::place::DevPlace;
use super::report::{Report, RoundView};
use crate::commands::chaincode::contract::out_path;
use crate::commands::chaincode::test::{Tally, test_source};
use crate::component::Component;
use crate::demo::StopSignal;
use crate::error::{CliError, CliResult};
use crate::output::{Terminal, sanitise};
use e2l_chaincode_builder::{BuildError, Onlooker, SourceTree, build_watched};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a round ends.
pub(super) enum RoundEnd {
    /// The ledger executes what was built.
    Done,
    /// It does not, and the reason.
    Failed(CliError),
    /// It was time to stop.
    Stopped,
}

/// What every round has at hand.
pub(super) struct Bench<'a> {
    pub place: &'a DevPlace,
    /// Name to deploy under; the contract's own unless given.
    pub name: Option<&'a str>,
    /// Where what is compiled on the way stays.
    pub kept: Option<PathBuf>,
    pub directory: &'a Path,
    pub report: Report,
    pub stop: &'a StopSignal,
}

impl Bench<'_> {
    /// Makes a round of a source. Whatever goes wrong in it is told, and is no error of the loop.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub async fn round(&self, number: u64, source: SourceTree, changed: Vec<String>) -> CliResult<RoundEnd> {
        let began = Instant::now();
        let mut view = RoundView {
            round: number,
            changed,
            ..RoundView::default()
        };
        self.report.begin(&view);
        let ended = self.work(&mut view, source).await;
        view.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let end = match ended {
            Ok(()) => RoundEnd::Done,
            // Half a round is nothing to tell of.
            Err(_) if self.stop.is_set() => return Ok(RoundEnd::Stopped),
            Err(error) => {
                view.error = Some(error.to_string());
                self.report.bad(view.result, &sanitise(&error.to_string()));
                self.report.line("next", &sanitise(error.next_step()));
                RoundEnd::Failed(error)
            }
        };
        self.report.line("took", &seconds(began.elapsed()));
        self.report.end(&view)?;
        Ok(end)
    }

    async fn work(&self, view: &mut RoundView, source: SourceTree) -> CliResult<()> {
        view.result = "not built";
        let source = Arc::new(source);
        let component = Arc::new(self.build(view, &source).await?);
        self.go_on()?;
        view.result = "tests failed";
        self.test(view, &source, &component).await?;
        self.go_on()?;
        view.result = "not deployed";
        self.deploy(view, &component).await
    }

    /// Whether there is time for another step.
    fn go_on(&self) -> CliResult<()> {
        if self.stop.is_set() {
            return Err(stopped());
        }
        Ok(())
    }

    async fn build(&self, view: &mut RoundView, source: &Arc<SourceTree>) -> CliResult<Component> {
        let began = Instant::now();
        let (source, kept) = (Arc::clone(source), self.kept.clone());
        // What the first build compiles takes a while: that something happens should be seen.
        let quiet = view.round > 1;
        let stop = self.stop.clone();
        let place = format!("what is built from {}", self.directory.display());
        let component = blocking(move || {
            let colour = Terminal::stderr().colour;
            let mut onlooker = Onlooker {
                colour,
                quiet,
                line: &mut |line: &str| eprintln!("{line}"),
                stopped: &|| stop.is_set(),
            };
            let built = build_watched(&source, kept.as_deref(), &mut onlooker).map_err(unbuilt)?;
            Component::admit(built.component, &place)
        })
        .await?;
        let name = self.name.unwrap_or(&component.name);
        // The ledger would refuse it too, after all the rest.
        out_path(None, name, name, "wasm")?;
        self.report.line(
            "built",
            &format!(
                "{} {}, {} bytes, digest {}, in {}",
                sanitise(&component.name),
                sanitise(&component.version),
                component.bytes.len(),
                component.digest,
                seconds(began.elapsed())
            ),
        );
        view.chaincode = Some(name.to_owned());
        view.version = Some(component.version.clone());
        view.bytes = Some(component.bytes.len());
        view.digest = Some(component.digest.to_string());
        Ok(component)
    }

    async fn test(
        &self,
        view: &mut RoundView,
        source: &Arc<SourceTree>,
        component: &Arc<Component>,
    ) -> CliResult<()> {
        let began = Instant::now();
        let (source, component) = (Arc::clone(source), Arc::clone(component));
        let Tally { steps, failed } = blocking(move || test_source(&component, &source)).await?;
        (view.steps, view.failed) = (Some(steps), Some(failed));
        if failed > 0 {
            return Err(CliError::refused(
                format!("{failed} of {steps} steps do not end as expected; nothing was deployed"),
                "correct the contract, or what its cases expect",
            ));
        }
        let told = match steps {
            0 => "none: write tests/NAME.toml (`e2l chaincode test --help`)".to_owned(),
            _ => format!("{steps} steps passed in {}", seconds(began.elapsed())),
        };
        self.report.line("tests", &told);
        Ok(())
    }

    async fn deploy(&self, view: &mut RoundView, component: &Component) -> CliResult<()> {
        let name = self.name.unwrap_or(&component.name);
        let config = self.place.session.current_config().await?;
        let active = config.chaincode(name);
        if active.is_some_and(|active| active.digest == component.digest) {
            view.result = "unchanged";
            self.report
                .good("unchanged", "the ledger executes this digest already");
            return Ok(());
        }
        let deployed = deploy(self.place, component, name, &self.report).await?;
        view.result = "deployed";
        view.proposal = Some(deployed.proposal.to_string());
        view.active_from = Some(deployed.from_height);
        let instead = active.map_or_else(String::new, |active| {
            format!(
                ", instead of {} ({})",
                sanitise(&active.version),
                active.digest.short()
            )
        });
        self.report.good(
            "active",
            &format!("as {name} from height {}{instead}", deployed.from_height),
        );
        Ok(())
    }
}

fn stopped() -> CliError {
    CliError::refused("it was stopped before it was done", "run it again")
}

/// The compiler's own words have been shown already.
fn unbuilt(error: BuildError) -> CliError {
    match error {
        BuildError::Compile(_) => {
            CliError::usage("the contract does not compile: see above", "correct the source")
        }
        BuildError::Stopped => stopped(),
        error => CliError::usage(error, "correct it, and save"),
    }
}

/// Runs what takes a while and waits for processes, beside all else.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> CliResult<T> + Send + 'static) -> CliResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(CliError::usage(error, "report this as a defect")))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
