//! What peers and collectors count themselves, from their metrics.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer, bytes.
const MOST: u64 = 1 << 20;
/// Times a peer has made its databases' logs durable.
pub const SYNCS: &str = "e2l_peer_syncs";

/// A number from the metrics at an address; `None` if nobody answers or that is not counted.
pub async fn scrape(address: &str, name: &str) -> Option<u64> {
    let [value] = scrape_all(address, [name]).await?;
    Some(value)
}

/// Several numbers of one moment; `None` if nobody answers or one of them is not counted.
pub async fn scrape_all<const N: usize>(address: &str, names: [&str; N]) -> Option<[u64; N]> {
    let text = timeout(PATIENCE, get(address)).await.ok()?.ok()?;
    let mut values = [0; N];
    for (value_of, name) in values.iter_mut().zip(names) {
        *value_of = value(&text, name)?;
    }
    Some(values)
}

async fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The value on the line that begins with the name; a counter's line adds `_total`.
fn value(text: &str, name: &str) -> Option<u64> {
    let of_line = |line: &str| {
        let (found, value) = line.split_once(' ')?;
        let found = found.strip_suffix("_total").unwrap_or(found);
        (found == name).then(|| value.trim().parse().ok()).flatten()
    };
    text.lines().find_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let text =
            "HTTP/1.1 200 OK\r\n\r\n# HELP e2l_peer_syncs x\ne2l_peer_syncs_more 4\ne2l_peer_syncs 17\n";
        assert_eq!(value(text, SYNCS), Some(17));
        assert_eq!(value("e2l_peer_syncs_total 5\n", SYNCS), Some(5));
        assert_eq!(value(text, "e2l_peer"), None);
    }
}
