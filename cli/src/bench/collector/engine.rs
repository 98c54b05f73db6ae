//! A container engine, as the benchmark asks it to do things: over one connection that stays open, because a process per
//! request would cost more than what is measured.

use crate::error::{CliError, CliResult};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Longest wait for an answer: a busy engine takes seconds for a start.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer, bytes.
const MOST: usize = 1 << 20;
/// The image of the benchmark's containers: a static busybox.
const IMAGE: &str = "e2l-bench:1";
/// Where Debian's `busybox-static` has it.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// See the module.
pub struct Engine {
    socket: PathBuf,
    connection: Option<BufReader<UnixStream>>,
}

/// An answer.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Engine {
    /// The engine at a socket; connects at the first request.
    pub fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            connection: None,
        }
    }

    /// Gives it the benchmark's image, unless it has it from a run that was killed.
    ///
    /// # Errors
    /// There is no static busybox, or the engine refuses.
    pub async fn prepare(&mut self) -> CliResult<()> {
        let found = self.ask("GET", &format!("/images/{IMAGE}/json"), &[]).await?;
        if found.status == 200 {
            return Ok(());
        }
        let archive = archive()?;
        let path = "/images/create?fromSrc=-&repo=e2l-bench&tag=1";
        self.expect("POST", path, &archive, &[200]).await.map(|_| ())
    }

    /// Takes the benchmark's image from it again, and containers that an interrupted run has left of it.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn clear(&mut self) -> CliResult<()> {
        let of_image =
            format!("/containers/json?all=true&filters=%7B%22ancestor%22%3A%5B%22{IMAGE}%22%5D%7D");
        let body = self.expect("GET", &of_image, &[], &[200, 404]).await?;
        let left: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap_or_default();
        for id in left.iter().filter_map(|container| container.get("Id")?.as_str()) {
            self.remove(id).await?;
        }
        let image = format!("/images/{IMAGE}");
        self.expect("DELETE", &image, &[], &[200, 404]).await.map(|_| ())
    }

    /// Creates a container without a network that sleeps when it is started; returns its id.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn create(&mut self) -> CliResult<String> {
        let wanted = serde_json::json!({
            "Image": IMAGE,
            "Cmd": ["/bin/sleep", "3600"],
            "HostConfig": { "NetworkMode": "none" },
        });
        let body = self
            .expect(
                "POST",
                "/containers/create",
                wanted.to_string().as_bytes(),
                &[201],
            )
            .await?;
        let made: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let id = made.get("Id").and_then(serde_json::Value::as_str);
        id.map(str::to_owned)
            .ok_or_else(|| refused("the engine's answer names no container"))
    }

    /// Starts it.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn start(&mut self, id: &str) -> CliResult<()> {
        self.act(id, "start").await
    }

    /// Kills it.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn kill(&mut self, id: &str) -> CliResult<()> {
        self.act(id, "kill").await
    }

    /// Gives it a name.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn rename(&mut self, id: &str, name: &str) -> CliResult<()> {
        self.act(id, &format!("rename?name={name}")).await
    }

    /// Removes it, whatever it does.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn remove(&mut self, id: &str) -> CliResult<()> {
        let path = format!("/containers/{id}?force=true");
        self.expect("DELETE", &path, &[], &[204, 404]).await.map(|_| ())
    }

    async fn act(&mut self, id: &str, what: &str) -> CliResult<()> {
        let path = format!("/containers/{id}/{what}");
        self.expect("POST", &path, &[], &[204]).await.map(|_| ())
    }

    async fn expect(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        statuses: &[u16],
    ) -> CliResult<Vec<u8>> {
        let answer = self.ask(method, path, body).await?;
        if statuses.contains(&answer.status) {
            return Ok(answer.body);
        }
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        Err(refused(format!(
            "the engine answers {method} {path} with {}: {said}",
            answer.status
        )))
    }

    async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> CliResult<Answer> {
        let asked = timeout(PATIENCE, self.exchange(method, path, body)).await;
        let answer = asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        answer.map_err(|error| {
            self.connection = None;
            CliError::usage(
                format!("{method} {path} at {}: {error}", self.socket.display()),
                "see that the engine runs: `docker info`",
            )
        })
    }

    async fn exchange(&mut self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => BufReader::new(UnixStream::connect(&self.socket).await?),
        };
        let kind = if body.first() == Some(&b'{') {
            "application/json"
        } else {
            "application/x-tar"
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(body).await?;
        let answer = read_answer(&mut connection).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

async fn read_answer(connection: &mut BufReader<UnixStream>) -> std::io::Result<Answer> {
    let first = line(connection).await?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.ok_or_else(|| std::io::Error::other(format!("no HTTP: {first}")))?;
    let (mut length, mut chunked) = (0, false);
    loop {
        let header = line(connection).await?.to_ascii_lowercase();
        match header.split_once(':') {
            None => break,
            Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
            Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
            Some(_) => {}
        }
    }
    let mut body = Vec::new();
    if !chunked {
        read_more(connection, length, &mut body).await?;
        return Ok(Answer { status, body });
    }
    loop {
        let size =
            usize::from_str_radix(line(connection).await?.trim(), 16).map_err(std::io::Error::other)?;
        read_more(connection, size, &mut body).await?;
        line(connection).await?;
        if size == 0 {
            return Ok(Answer { status, body });
        }
    }
}

async fn read_more(
    connection: &mut BufReader<UnixStream>,
    length: usize,
    body: &mut Vec<u8>,
) -> std::io::Result<()> {
    let before = body.len();
    if before + length > MOST {
        return Err(std::io::Error::other("the answer is too long"));
    }
    body.resize(before + length, 0);
    connection.read_exact(&mut body[before..]).await.map(|_| ())
}

async fn line(connection: &mut BufReader<UnixStream>) -> std::io::Result<String> {
    let mut text = String::new();
    if connection.read_line(&mut text).await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text.trim_end().to_owned())
}

/// A root directory with nothing but a busybox that sleeps, as `tar` packs it.
fn archive() -> CliResult<Vec<u8>> {
    let busybox = BUSYBOX.iter().map(Path::new).find(|path| path.is_file());
    let busybox = busybox.ok_or_else(|| {
        CliError::usage(
            "there is no busybox to run in containers",
            "install it: `apt install busybox-static`",
        )
    })?;
    let fail =
        |error: std::io::Error| CliError::usage(format!("cannot pack an image: {error}"), "install `tar`");
    let directory = tempfile::tempdir().map_err(fail)?;
    std::fs::create_dir(directory.path().join("bin")).map_err(fail)?;
    std::fs::copy(busybox, directory.path().join("bin/sleep")).map_err(fail)?;
    let packed = Command::new("tar")
        .arg("-C")
        .arg(directory.path())
        .args(["-cf", "-", "bin"])
        .output()
        .map_err(fail)?;
    match packed.status.success() {
        true => Ok(packed.stdout),
        false => Err(refused(format!(
            "tar fails: {}",
            String::from_utf8_lossy(&packed.stderr)
        ))),
    }
}

fn refused(what: impl ToString) -> CliError {
    CliError::refused(
        what,
        "see that the engine can run containers: `docker run --rm hello-world`",
    )
}
