//! What a newcomer reads first.

use crate::demo::fleet::Fleet;
use crate::demo::source::ChosenSource;
use crate::network_dir::NetworkDir;
use crate::output::{Cell, Column, Style, Table, Terminal};
use e2l_client::wire::StatusReply;
use std::fmt::Write;
use std::path::Path;

/// Everything that is told once, when the demo runs.
pub struct Overview<'a> {
    /// The network.
    pub network: &'a NetworkDir,
    /// Its processes.
    pub fleet: &'a Fleet,
    /// Where events come from.
    pub source: &'a ChosenSource,
    /// What a peer says.
    pub status: &'a StatusReply,
    /// Whether the ledger was there before.
    pub again: bool,
}

impl Overview<'_> {
    /// The text.
    pub fn render(&self, terminal: Terminal) -> String {
        let bold = |text: &str| terminal.paint(Style::Bold, text);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}\n", bold(&self.headline()));
        for line in self.processes().render(terminal).lines() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "\n  events     {}", self.source.about);
        let _ = writeln!(
            text,
            "  ledger     height {}, {} transactions{}",
            self.status.final_height,
            self.status.transactions,
            if self.again { ", from last time" } else { "" }
        );
        let directory = self.network.path();
        let _ = writeln!(
            text,
            "  directory  {}, logs in {}",
            directory.display(),
            directory.join("logs").display()
        );
        let _ = writeln!(text, "\n{}", bold("Try, in another terminal:"));
        for (command, about) in self.commands() {
            let _ = writeln!(text, "  {}  {about}", terminal.paint(Style::Accent, &command));
        }
        let _ = writeln!(text, "\nCtrl-C stops everything and keeps the ledger.\n");
        text
    }

    fn headline(&self) -> String {
        format!(
            "{} keep one ledger on this machine, each with its own peer, keys and database.",
            self.network.actors().join(", ")
        )
    }

    fn processes(&self) -> Table {
        let mut table = Table::new([
            Column::new("ACTOR"),
            Column::new("PROCESS"),
            Column::new("ADDRESS"),
            Column::new("PID").right(),
            Column::new(""),
        ]);
        for slot in self.fleet.slots() {
            let leads = slot.is_peer && slot.actor == self.status.leader;
            table.push(vec![
                Cell::new(&slot.actor, Style::Bold),
                if slot.is_peer { "peer" } else { "collector" }.into(),
                self.address(&slot.actor)
                    .filter(|_| slot.is_peer)
                    .unwrap_or("")
                    .into(),
                slot.pid().map_or_else(String::new, |pid| pid.to_string()).into(),
                Cell::new(if leads { "leader" } else { "" }, Style::Good),
            ]);
        }
        table
    }

    fn address(&self, actor: &str) -> Option<&str> {
        let config = &self.network.genesis().genesis.config;
        let peer = config.actor(actor)?.peer.as_ref()?;
        Some(peer.address.as_str())
    }

    fn commands(&self) -> Vec<(String, String)> {
        let e2l = own_name();
        let network = network_flag(self.network.path());
        let other = self.network.actors().last().cloned().unwrap_or_default();
        let mut commands = Vec::new();
        if self.source.live {
            commands.push((
                "docker run --rm --name hello hello-world".to_owned(),
                "any container will do: its events appear below".to_owned(),
            ));
        }
        let object = if self.source.live { "hello" } else { "ID" };
        commands.push((
            format!("{e2l} history{network} {object} --actor {other}"),
            format!("its whole life, read from {other}'s peer"),
        ));
        commands.push((
            format!("{e2l} events{network} --follow"),
            "the ledger as a stream".to_owned(),
        ));
        commands.push((
            format!("{e2l} peer status{network} --all"),
            "do the three agree?".to_owned(),
        ));
        let leader = self
            .fleet
            .slots()
            .iter()
            .find(|slot| slot.is_peer && slot.actor == self.status.leader);
        if let Some(pid) = leader.and_then(|slot| slot.pid()) {
            commands.push((
                format!("kill -9 {pid}"),
                format!("the leader's peer, {}'s: the others go on", self.status.leader),
            ));
        }
        let widest = commands
            .iter()
            .map(|(command, _)| command.len())
            .max()
            .unwrap_or_default();
        let padded = commands
            .into_iter()
            .map(|(command, about)| (format!("{command:<widest$}"), about));
        padded.collect()
    }
}

/// How the caller called us, so that what we print can be copied.
pub fn own_name() -> String {
    std::env::args()
        .next()
        .filter(|name| name.contains('/'))
        .unwrap_or_else(|| "e2l".to_owned())
}

/// ` --network DIR`, where it is not the default.
pub fn network_flag(directory: &Path) -> String {
    if directory == Path::new(crate::settings::DEMO_DIR) {
        return String::new();
    }
    format!(" --network {}", directory.display())
}
