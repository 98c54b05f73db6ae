#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| e2l_fuzz::config_change(bytes));
