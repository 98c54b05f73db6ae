//! The documents name what there is: tests, files, headings and commands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root(), root().join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            } else if path.is_dir() && directory.ends_with("docs") {
                directories.push(path);
            }
        }
    }
    assert!(found.len() > 10, "{} documents", found.len());
    found
}

/// What stands between backticks on a line.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn tests_that_are_named_exist() {
    let mut named = 0;
    for (document, text) in documents() {
        for (file, test) in codes(&text).filter_map(|code| code.split_once(".rs::")) {
            let path = root().join(format!("{file}.rs"));
            let source = std::fs::read_to_string(&path);
            let source =
                source.unwrap_or_else(|error| panic!("{}: {}: {error}", document.display(), path.display()));
            let function = format!("fn {test}(");
            // After `#[test]`, or `async`.
            let before = source.split(&function).next().unwrap();
            assert!(
                before.len() < source.len() && before.trim_end().ends_with([']', 'c']),
                "{}: {file}.rs has no test {test}",
                document.display()
            );
            named += 1;
        }
    }
    assert!(named > 50, "{named} tests are named");
}

#[test]
fn links_lead_somewhere() {
    for (document, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.clone(),
                file => document.with_file_name(file),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            if !heading.is_empty() {
                let headings = headings(&std::fs::read_to_string(&target).unwrap());
                assert!(
                    headings.contains(heading),
                    "{}: {link} has no such heading",
                    document.display()
                );
            }
        }
    }
}

/// As GitHub makes anchors of them.
fn headings(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let kept = line.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    lines.map(anchor).collect()
}

#[test]
fn commands_that_are_named_exist() {
    let mut named = BTreeSet::new();
    for (document, text) in documents() {
        for code in codes(&text).filter(|code| code.starts_with("e2l ")) {
            let words = code.split(' ').skip(1);
            let words = words.take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
            let flags = code
                .split([' ', '[', ']', '='])
                .filter(|word| word.starts_with("--"));
            named.insert((
                words.map(str::to_owned).collect::<Vec<_>>(),
                flags.map(str::to_owned).collect::<Vec<_>>(),
                document.clone(),
            ));
        }
    }
    assert!(named.len() > 15, "{named:?}");
    for (words, flags, document) in named {
        let output = Command::new(env!("CARGO_BIN_EXE_e2l"))
            .args(&words)
            .arg("--help")
            .output()
            .unwrap();
        let help = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{}: e2l {}",
            document.display(),
            words.join(" ")
        );
        for flag in flags {
            assert!(
                help.contains(&flag),
                "{}: e2l {} has no {flag}",
                document.display(),
                words.join(" ")
            );
        }
    }
}
