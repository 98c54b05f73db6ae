//! The state of a call that has none.

use crate::host_state::{HostError, HostState, LogRecord};

/// Nothing: for calls that may not touch state, such as `describe`.
pub struct NoState;

impl HostState for NoState {
    fn get(&mut self, _: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
        Ok(None)
    }
    fn put(&mut self, _: &[u8], _: Vec<u8>) -> Result<(), HostError> {
        Ok(())
    }
    fn delete(&mut self, _: &[u8]) -> Result<(), HostError> {
        Ok(())
    }
    fn scan(&mut self, _: &[u8], _: &[u8], _: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, HostError> {
        Ok(Vec::new())
    }
    fn append(&mut self, _: &[u8], _: Vec<u8>) -> Result<u64, HostError> {
        Ok(0)
    }
    fn append_argument(&mut self, _: &[u8], _: u32, _: u32) -> Result<u64, HostError> {
        Ok(0)
    }
    fn log_length(&mut self, _: &[u8]) -> Result<u64, HostError> {
        Ok(0)
    }
    fn log_read(&mut self, _: &[u8], _: u64, _: usize) -> Result<Vec<LogRecord>, HostError> {
        Ok(Vec::new())
    }
    fn reset(&mut self) {}
}
