//! What monitoring reads.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Status and whole answer of a GET.
///
/// # Panics
/// Nobody answers there.
pub fn http_get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .expect("it can be asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).expect("a status");
    (status.parse().expect("a number"), answer)
}

/// A metric without labels in OpenMetrics text.
///
/// # Panics
/// It is not there.
pub fn metric(text: &str, name: &str) -> i64 {
    let line = text
        .lines()
        .find(|line| line.split([' ', '{']).next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    let value = line.rsplit(' ').next().and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("no number: {line}"))
}
