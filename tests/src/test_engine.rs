//! What every container engine can be made to do, for tests that all sources must pass.

/// A container, as the engine's own inspection has it, as far as it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerState {
    /// Whether it has a process.
    pub alive: bool,
    /// When it was started last, nanoseconds since the Unix epoch.
    pub started_nano: Option<i64>,
    /// When it ended last, nanoseconds since the Unix epoch.
    pub finished_nano: Option<i64>,
    /// With which code; means nothing while it runs.
    pub exit_code: Option<i64>,
}

/// An engine of the test's own. Containers are named by what the ledger calls them.
pub trait TestEngine {
    /// The value of `--source`.
    fn source(&self) -> String;

    /// What it calls itself, and a part of its version.
    fn identity(&self) -> (&'static str, String);

    /// Whether it tells a reader that was away what happened meanwhile.
    fn remembers(&self) -> bool;

    /// Whether its containers live on when it is killed and started again.
    fn spares_containers(&self) -> bool;

    /// Creates a container with labels, `name=value`, that runs a command.
    fn create(&self, labels: &[&str], command: &[&str]) -> String;

    /// Starts it; returns when its process runs.
    fn start(&self, id: &str);

    /// Runs another process in it, which ends with this code. Its name is the container's own, where it can have one.
    fn exec(&self, id: &str, code: u8);

    /// Freezes it.
    fn pause(&self, id: &str);

    /// Lets it go on.
    fn unpause(&self, id: &str);

    /// Kills its process, and waits until the engine knows.
    fn end(&self, id: &str);

    /// Its process, as the engine numbers it.
    fn process_of(&self, id: &str) -> i64;

    /// Kills a process behind the engine's back.
    fn kill_process(&self, process: i64);

    /// Removes it, dead or never started.
    fn remove(&self, id: &str);

    /// What it does; `None` if there is none.
    fn state(&self, id: &str) -> Option<ContainerState>;

    /// Does what is none of the collector's business.
    fn do_something_else(&self) {}

    /// Kills the engine.
    fn kill(&self);

    /// Starts it again, and waits until it serves.
    fn restart(&self);
}
