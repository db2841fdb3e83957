#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gad_fuzz::recurrence::run(data));
