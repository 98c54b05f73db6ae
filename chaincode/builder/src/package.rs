//! A package: a component with the source that it was built from, in one file.

use crate::built::Built;
use crate::source_tree::{MAX_SOURCE_BYTES, SourceTree};
use crate::tar;
use crate::toolchain::Toolchain;
use e2l_ledger::{Digest, Domain, validate_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Files of a package, below its one directory.
const MANIFEST: &str = "manifest.json";
const COMPONENT: &str = "component.wasm";
const SOURCE: &str = "source/";
/// Version of the form.
const FORMAT: u32 = 1;
/// Longest version of a contract.
const MAX_VERSION_BYTES: usize = 64;
/// Most bytes of a package: the source, and as much again for component and headers.
const MAX_BYTES: u64 = 2 * MAX_SOURCE_BYTES;

/// What a package says of itself. All of it can be checked against what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form: 1.
    pub format: u32,
    /// The contract's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The component's digest, as the ledger names it.
    pub digest: Digest,
    /// Bytes of the component.
    pub bytes: u64,
    /// Functions, as the component describes them.
    pub functions: Vec<PackagedFunction>,
    /// What built it.
    pub toolchain: Toolchain,
    /// Directory of the contract's crate below `source/`.
    pub crate_dir: String,
}

/// A function of a packaged contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagedFunction {
    /// Name.
    pub name: String,
    /// `invoke` or `query`.
    pub kind: String,
    /// `none`, `json` or `event`.
    pub argument: String,
    /// One sentence.
    pub summary: String,
}

/// Name, version and functions, as a component describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Functions.
    pub functions: Vec<PackagedFunction>,
}

/// Why bytes are no package, or a contract cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Not an archive as this release writes it.
    #[error("it is not a package: it is no archive that `e2l chaincode package` has written, or was altered")]
    NotAPackage,
    /// Too much.
    #[error("it has {0} bytes, a package has at most {MAX_BYTES}")]
    TooLarge(u64),
    /// A file is missing, or one is there that does not belong.
    #[error("it is not a package: {0}")]
    Content(String),
    /// The manifest cannot be read.
    #[error("its {MANIFEST} is not that of a package: {0}")]
    Manifest(String),
    /// The manifest names another component.
    #[error("its {MANIFEST} names the digest {named}, its component has {found}: do not use it")]
    Digest {
        /// Digest in the manifest.
        named: Digest,
        /// Digest of the component.
        found: Digest,
    },
    /// A version that cannot be part of a file's name.
    #[error("the contract's version `{0}` cannot name a file: use at most 64 letters, digits and `.+-`")]
    Version(String),
    /// A name that the ledger would refuse.
    #[error(transparent)]
    Name(#[from] e2l_ledger::InvalidName),
    /// A path that no archive holds.
    #[error("the path {0} is too long for an archive: at most 100 bytes of name after 155 of directories")]
    Path(String),
}

/// A component with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What it says.
    pub manifest: Manifest,
    /// The component.
    pub component: Vec<u8>,
    /// What it was built from.
    pub source: SourceTree,
}

impl Package {
    /// Puts together what was built and what it was built from.
    ///
    /// # Errors
    /// The contract's name or version cannot be used.
    pub fn new(built: Built, described: Described, source: SourceTree) -> Result<Self, PackageError> {
        let package = Self {
            manifest: Manifest {
                format: FORMAT,
                name: described.name,
                version: described.version,
                digest: built.digest,
                bytes: built.component.len() as u64,
                functions: described.functions,
                toolchain: built.toolchain,
                crate_dir: source.crate_dir().to_owned(),
            },
            component: built.component,
            source,
        };
        package.manifest.check()?;
        Ok(package)
    }

    /// Whether these bytes claim to be a package: they begin like an archive.
    pub fn is_package(bytes: &[u8]) -> bool {
        tar::is_archive(bytes)
    }

    /// The file: the same package gives the same bytes.
    ///
    /// # Errors
    /// A path is too long, or there is too much.
    pub fn encode(&self) -> Result<Vec<u8>, PackageError> {
        let directory = self.manifest.directory();
        let mut files = BTreeMap::from([
            (format!("{directory}/{MANIFEST}"), self.manifest.encode()?),
            (format!("{directory}/{COMPONENT}"), self.component.clone()),
        ]);
        for (path, content) in self.source.files() {
            files.insert(format!("{directory}/{SOURCE}{path}"), content.clone());
        }
        let archive = tar::write(&files).map_err(PackageError::Path)?;
        check_size(&archive)?;
        Ok(archive)
    }

    /// Reads a package. Its component has the digest that the manifest names; what the component says of itself is
    /// for the caller to compare ([`Manifest::describes`]).
    ///
    /// # Errors
    /// Not a package, or not as it was written.
    pub fn decode(bytes: &[u8]) -> Result<Self, PackageError> {
        check_size(bytes)?;
        let mut files = tar::read(bytes).ok_or(PackageError::NotAPackage)?;
        let directory = files.keys().next().and_then(|path| path.split_once('/'));
        let directory = directory.map(|(directory, _)| directory.to_owned());
        let directory = directory.ok_or_else(|| PackageError::Content("it is empty".to_owned()))?;
        let mut take = |name: &str| {
            let taken = files.remove(&format!("{directory}/{name}"));
            taken.ok_or_else(|| PackageError::Content(format!("it holds no {directory}/{name}")))
        };
        let manifest = Manifest::decode(&take(MANIFEST)?)?;
        let component = take(COMPONENT)?;
        if directory != manifest.directory() {
            return Err(PackageError::Content(format!(
                "its directory is `{directory}`, that of its manifest `{}`",
                manifest.directory()
            )));
        }
        let found = Domain::Chaincode.hash(&component);
        if found != manifest.digest || component.len() as u64 != manifest.bytes {
            let named = manifest.digest;
            return Err(PackageError::Digest { named, found });
        }
        let prefix = format!("{directory}/{SOURCE}");
        let source = files.into_iter().map(|(path, content)| {
            let inner = path.strip_prefix(&prefix).filter(|inner| is_plain(inner));
            let inner = inner.map(str::to_owned);
            let inner =
                inner.ok_or_else(|| PackageError::Content(format!("{path} does not belong in it")))?;
            Ok((inner, content))
        });
        let source = source.collect::<Result<_, PackageError>>()?;
        let source = SourceTree::from_parts(manifest.crate_dir.clone(), source);
        let source =
            source.ok_or_else(|| PackageError::Content("it holds no source of a crate".to_owned()))?;
        Ok(Self {
            manifest,
            component,
            source,
        })
    }
}

impl Manifest {
    /// Whether it says the same as the component.
    pub fn describes(&self, described: &Described) -> bool {
        (&self.name, &self.version, &self.functions)
            == (&described.name, &described.version, &described.functions)
    }

    /// The one directory of the package's files, and the package's usual name before `.tar`.
    pub fn directory(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    fn check(&self) -> Result<(), PackageError> {
        validate_name(&self.name)?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
        if self.version.len() > MAX_VERSION_BYTES || !self.version.bytes().all(letter) {
            return Err(PackageError::Version(self.version.clone()));
        }
        Ok(())
    }

    fn encode(&self) -> Result<Vec<u8>, PackageError> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| PackageError::Manifest(error.to_string()))?;
        Ok((text + "\n").into_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Self, PackageError> {
        let fail = |why: &str| PackageError::Manifest(why.to_owned());
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| fail(&error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(fail(
                "it is of another format: use the release of e2l that made it",
            ));
        }
        manifest.check()?;
        if manifest.encode()? != bytes {
            return Err(fail("it is not written as `e2l chaincode package` writes it"));
        }
        Ok(manifest)
    }
}

fn check_size(bytes: &[u8]) -> Result<(), PackageError> {
    let found = bytes.len() as u64;
    if found > MAX_BYTES {
        return Err(PackageError::TooLarge(found));
    }
    Ok(())
}

/// Whether a path stays below the directory that it is put in.
fn is_plain(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BuildError;

    /// Content by path.
    type Files = BTreeMap<String, Vec<u8>>;

    fn source() -> SourceTree {
        let place = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("Cargo.toml", "[package]"),
            ("src/lib.rs", "//! Nothing."),
            ("wit/ledger.wit", "package a:b;"),
            ("target/debug/large", "compiled"),
            (".git/index", "versions"),
        ] {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        SourceTree::read(place.path()).unwrap()
    }

    fn described() -> Described {
        Described {
            name: "counter".into(),
            version: "1.0.0".into(),
            functions: Vec::new(),
        }
    }

    fn built() -> Built {
        let component = b"a component".to_vec();
        Built {
            digest: Domain::Chaincode.hash(&component),
            component,
            toolchain: Toolchain {
                rustc: "rustc 1.0.0".into(),
                host: "here".into(),
                release: "1.0.0".into(),
            },
        }
    }

    /// The files of a package, to be changed.
    fn files() -> Files {
        let package = Package::new(built(), described(), source()).unwrap();
        tar::read(&package.encode().unwrap()).unwrap()
    }

    fn refused(files: &Files) -> String {
        Package::decode(&tar::write(files).unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_package_is_the_same_every_time_and_comes_back_whole() {
        let package = Package::new(built(), described(), source()).unwrap();
        let bytes = package.encode().unwrap();
        assert!(Package::is_package(&bytes));
        assert_eq!(Package::decode(&bytes).unwrap(), package);
        assert_eq!(
            Package::new(built(), described(), source())
                .unwrap()
                .encode()
                .unwrap(),
            bytes
        );
        let names: Vec<String> = files().into_keys().collect();
        let expected = [
            "component.wasm",
            "manifest.json",
            "source/chaincode/contract/Cargo.toml",
            "source/chaincode/contract/src/lib.rs",
            "source/chaincode/contract/wit/ledger.wit",
        ];
        assert_eq!(names, expected.map(|name| format!("counter-1.0.0/{name}")));
    }

    #[test]
    fn a_contract_with_an_interface_of_its_own_takes_nothing_from_above() {
        let place = tempfile::tempdir().unwrap();
        let contract = place.path().join("a/contract");
        for path in [
            "a/wit/other.wit",
            "a/ledger/event/Cargo.toml",
            "a/contract/wit/ledger.wit",
            "a/contract/Cargo.toml",
        ] {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        let own = SourceTree::read(&contract).unwrap();
        assert_eq!(own.crate_dir(), "chaincode/contract");
        assert_eq!(own.files().len(), 2, "{:?}", own.files().keys());
        std::fs::remove_dir_all(contract.join("wit")).unwrap();
        let shared = SourceTree::read(&contract).unwrap();
        assert_eq!(shared.crate_dir(), "contract");
        let names: Vec<&String> = shared.files().keys().collect();
        assert_eq!(
            names,
            ["contract/Cargo.toml", "ledger/event/Cargo.toml", "wit/other.wit"]
        );
        std::fs::remove_file(contract.join("Cargo.toml")).unwrap();
        assert!(matches!(SourceTree::read(&contract), Err(BuildError::NoCrate(_))));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let changed = |change: &dyn Fn(&mut Files)| {
            let mut files = files();
            change(&mut files);
            refused(&files)
        };
        let name = |name: &str| format!("counter-1.0.0/{name}");
        let put = |path: &str, content: &[u8]| {
            changed(&|files| {
                files.insert(name(path), content.to_vec());
            })
        };
        assert!(put("component.wasm", b"another").contains("do not use it"));
        assert!(put("manifest.json", b"{}").contains("manifest.json"));
        assert!(put("more", b"").contains("does not belong"));
        for path in [
            "source/../up",
            "source/./here",
            "source//twice",
            "source/back\\slash",
        ] {
            assert!(put(path, b"").contains("does not belong"), "{path}");
        }
        for missing in ["component.wasm", "manifest.json"] {
            let removed = changed(&|files| {
                files.remove(&name(missing));
            });
            assert!(removed.contains(missing), "{removed}");
        }
        let bare = changed(&|files| {
            files.remove(&name("source/chaincode/contract/Cargo.toml"));
        });
        assert!(bare.contains("no source"), "{bare}");
        let manifest = String::from_utf8(files()[&name("manifest.json")].clone()).unwrap();
        // The same in other words, another directory, a directory above.
        let spaced = manifest.replace(": ", ":  ");
        assert!(put("manifest.json", spaced.as_bytes()).contains("not written as"));
        let renamed = manifest.replace("\"counter\"", "\"other\"");
        assert!(put("manifest.json", renamed.as_bytes()).contains("its directory is"));
        let versioned = manifest.replace("\"1.0.0\"", "\"../1\"");
        assert!(put("manifest.json", versioned.as_bytes()).contains("cannot name a file"));
        assert!(Package::decode(b"\0asm").is_err());
        assert!(refused(&Files::new()).contains("empty"));
    }

    #[test]
    fn a_name_or_version_that_cannot_name_a_file_is_not_packed() {
        for (name, version) in [
            ("Counter", "1"),
            ("a/b", "1"),
            ("counter", "1/2"),
            ("counter", &"1".repeat(65)),
        ] {
            let described = Described {
                name: name.into(),
                version: version.into(),
                functions: Vec::new(),
            };
            assert!(
                Package::new(built(), described, source()).is_err(),
                "{name} {version}"
            );
        }
    }
}
