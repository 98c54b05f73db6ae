//! What a call may write.

/// What a call may write; it may read everything that its contract has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing, as a query.
    Nothing,
    /// Keys and logs.
    Everything,
    /// Keys that begin with this text; no logs.
    Keys(String),
}

impl Access {
    /// Whether a key may be written or removed.
    ///
    /// # Errors
    /// Says why not.
    pub fn put(&self, key: &[u8]) -> Result<(), String> {
        match self {
            Self::Nothing => Err(QUERY.to_owned()),
            Self::Keys(prefix) if !key.starts_with(prefix.as_bytes()) => Err(format!(
                "a step of a preparation writes only keys that begin with `{prefix}`"
            )),
            Self::Everything | Self::Keys(_) => Ok(()),
        }
    }

    /// Whether a log may be appended to.
    ///
    /// # Errors
    /// Says why not.
    pub fn append(&self) -> Result<(), String> {
        match self {
            Self::Nothing => Err(QUERY.to_owned()),
            Self::Keys(_) => Err(
                "no transaction is executed here whose entry it would be: a preparation, and a \
                 migration after one, may not append to logs"
                    .to_owned(),
            ),
            Self::Everything => Ok(()),
        }
    }
}

const QUERY: &str = "a query may not write";
